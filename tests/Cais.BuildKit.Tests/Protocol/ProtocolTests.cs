using System.Net.Sockets;
using System.Text;
using Cais.BuildKit.Grpc;
using Cais.EndToEnd.Tests;
using Cais.Testing;
using Google.Protobuf;
using Moby.Buildkit.V1;
using Moby.Buildkit.V1.Frontend;
using SolveRequest = Moby.Buildkit.V1.SolveRequest;
using SolveResponse = Moby.Buildkit.V1.SolveResponse;

namespace Cais.BuildKit.Tests.Protocol;

/// <summary>The published daemon and clients that misbehave.</summary>
[Trait("Tier", "e2e")]
public sealed class ProtocolTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private const string Sleep = "FROM busybox\nRUN echo started && sleep 4712\n";

    [Fact]
    public async Task A_build_that_is_canceled_in_the_middle_ends_with_all_its_processes()
    {
        await using var client = Client(Sleep);
        await client.OpenSessionAsync();
        using var cancel = new CancellationTokenSource();
        var solving = client.SolveAsync("canceled", cancel.Token);
        await client.StatusUntilAsync("canceled", s => s.Logs.Any(l => l.Msg.ToStringUtf8().Contains("started", StringComparison.Ordinal)));
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => solving);
        var all = await client.StatusUntilAsync("canceled", _ => false);
        Assert.All(all.Vertexes.GroupBy(v => v.Digest).Select(g => g.Last()), v => Assert.NotNull(v.Completed));
        await Eventually.Holds(() => !IsRunning("sleep\0" + "4712"), "the command has ended");
    }

    [Fact]
    public async Task A_build_whose_session_is_lost_is_canceled()
    {
        await using var client = Client(Sleep);
        await client.OpenSessionAsync();
        var solving = client.SolveAsync("lost");
        await client.StatusUntilAsync("lost", s => s.Logs.Any(l => l.Msg.ToStringUtf8().Contains("started", StringComparison.Ordinal)));
        client.LoseSession();
        var e = await Assert.ThrowsAsync<GrpcException>(() => solving.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(GrpcStatusCode.Canceled, e.Code);
        await Eventually.Holds(() => !IsRunning("sleep\0" + "4712"), "the command has ended");
    }

    [Fact]
    public async Task A_build_without_its_session_says_so()
    {
        await using var client = Client(Sleep);
        var e = await Assert.ThrowsAsync<GrpcException>(() => client.SolveAsync("alone"));
        Assert.Contains("no active session", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_sessions_or_builds_of_one_id_are_refused()
    {
        await using var client = Client(Sleep);
        Assert.StartsWith("HTTP/1.1 101", await client.OpenSessionAsync(), StringComparison.Ordinal);
        using var cancel = new CancellationTokenSource();
        var solving = client.SolveAsync("twice", cancel.Token);
        await client.StatusUntilAsync("twice", s => s.Vertexes.Count > 0);
        var e = await Assert.ThrowsAsync<GrpcException>(() => client.SolveAsync("twice"));
        Assert.Equal(GrpcStatusCode.AlreadyExists, e.Code);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => solving);
    }

    [Fact]
    public async Task What_is_not_supported_is_refused_by_name()
    {
        await using var client = Client(Sleep);
        await client.OpenSessionAsync();
        var frontend = await Assert.ThrowsAsync<GrpcException>(() => Solve(client, new SolveRequest { Ref = "f", Session = client.SessionId, Frontend = "magic.v0" }));
        Assert.Equal(GrpcStatusCode.NotFound, frontend.Code);
        Assert.Contains("magic.v0", frontend.Message, StringComparison.Ordinal);
        var exporter = await Assert.ThrowsAsync<GrpcException>(() => Solve(client, new SolveRequest
        {
            Ref = "e",
            Session = client.SessionId,
            Frontend = "dockerfile.v0",
            FrontendAttrs = { ["filename"] = "Small" },
            Exporters = { new Exporter { Type = "floppy" } },
        }));
        Assert.Contains("floppy", exporter.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Malformed_messages_and_connections_harm_nobody_else()
    {
        await using var client = Client(Sleep);
        foreach (var bytes in new[] { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI" })
        {
            using var socket = client.Connect();
            await socket.SendAsync(Encoding.Latin1.GetBytes(bytes));
            socket.Shutdown(SocketShutdown.Send);
            var answer = new byte[4096];
            while (await socket.ReceiveAsync(answer) > 0)
            {
            }
        }

        using (var call = client.Begin("Solve"))
        {
            await call.SendAsync(new BytesMessage { Data = ByteString.CopyFrom(0x80, 0x80, 0x80, 0x80) });
            await call.FinishSendingAsync();
            await Assert.ThrowsAsync<GrpcException>(async () => await call.ReadAsync(SolveResponse.Parser));
        }

        var info = await client.Channel.CallAsync("/moby.buildkit.v1.Control/Info", new InfoRequest(), InfoResponse.Parser, CancellationToken.None);
        Assert.NotEmpty(info.BuildkitVersion.Version);
    }

    [Fact]
    public async Task A_session_needs_an_upgrade_and_an_id()
    {
        await using var client = Client(Sleep);
        Assert.StartsWith("HTTP/1.1 400", await Ask("POST /session HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400", await Ask("POST /session HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400", await Ask("POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h3\r\n\r\n"), StringComparison.Ordinal);

        async Task<string> Ask(string request)
        {
            using var socket = client.Connect();
            await socket.SendAsync(Encoding.ASCII.GetBytes(request));
            var answer = new byte[4096];
            return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer));
        }
    }

    [Fact]
    public async Task The_gateway_waits_for_the_session_of_its_build()
    {
        await using var client = Client(Sleep);
        var solving = Solve(client, new SolveRequest { Ref = "early", Session = client.SessionId });
        using var call = client.Channel.Begin(
            "/moby.buildkit.v1.frontend.LLBBridge/Solve", [KeyValuePair.Create("buildkit-controlapi-buildid", (IReadOnlyList<string>)["early"])], CancellationToken.None);
        await call.SendAsync(new Moby.Buildkit.V1.Frontend.SolveRequest { Frontend = "dockerfile.v0", FrontendOpt = { ["filename"] = "Small" } });
        await call.FinishSendingAsync();
        var built = call.ReadAsync(Moby.Buildkit.V1.Frontend.SolveResponse.Parser).AsTask();
        await client.OpenSessionAsync();
        Assert.NotEmpty((await built)!.Result.Ref.Id);
        client.LoseSession();
        await Assert.ThrowsAsync<GrpcException>(() => solving);
    }

    [Fact]
    public async Task The_gateway_builds_reads_and_returns()
    {
        await using var client = Client(Sleep);
        await client.OpenSessionAsync();
        var solving = Solve(client, new SolveRequest { Ref = "gateway", Session = client.SessionId });
        var solved = await Gateway("Solve", new Moby.Buildkit.V1.Frontend.SolveRequest { Frontend = "dockerfile.v0", FrontendOpt = { ["filename"] = "Small" } }, Moby.Buildkit.V1.Frontend.SolveResponse.Parser);
        Assert.NotEmpty(solved.Result.Metadata["containerimage.config"]);
        var read = await Gateway("ReadFile", new ReadFileRequest { Ref = solved.Result.Ref.Id, FilePath = "/etc/small" }, ReadFileResponse.Parser);
        Assert.Equal("FROM scratch\nCOPY Small /etc/small\n", read.Data.ToStringUtf8());
        var listed = await Gateway("ReadDir", new ReadDirRequest { Ref = solved.Result.Ref.Id, DirPath = "/etc" }, ReadDirResponse.Parser);
        Assert.Equal("small", Assert.Single(listed.Entries).Path);
        var missing = await Assert.ThrowsAsync<GrpcException>(() => Gateway("StatFile", new StatFileRequest { Ref = solved.Result.Ref.Id, Path = "/nothing" }, StatFileResponse.Parser));
        Assert.Equal(GrpcStatusCode.NotFound, missing.Code);
        await Gateway("Return", new ReturnRequest { Result = new Result { Ref = solved.Result.Ref } }, ReturnResponse.Parser);
        await solving;

        async Task<T> Gateway<T>(string method, IMessage request, MessageParser<T> parser) where T : class, IMessage<T>
        {
            using var call = client.Channel.Begin(
                "/moby.buildkit.v1.frontend.LLBBridge/" + method, [KeyValuePair.Create("buildkit-controlapi-buildid", (IReadOnlyList<string>)["gateway"])], CancellationToken.None);
            await call.SendAsync(request);
            await call.FinishSendingAsync();
            return (await call.ReadAsync(parser))!;
        }
    }

    private OwnClient Client(string dockerfile) => new(fixture.Engine.Socket, new Dictionary<string, string>
    {
        ["Dockerfile"] = dockerfile,
        ["Small"] = "FROM scratch\nCOPY Small /etc/small\n",
    });

    private static Task<SolveResponse> Solve(OwnClient client, SolveRequest request) =>
        client.Channel.CallAsync("/moby.buildkit.v1.Control/Solve", request, SolveResponse.Parser, CancellationToken.None);

    private static bool IsRunning(string commandLine) => Directory.EnumerateDirectories("/proc").Any(d =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(d, "cmdline")).StartsWith(commandLine, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    });
}
