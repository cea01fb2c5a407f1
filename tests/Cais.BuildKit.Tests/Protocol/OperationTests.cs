using System.Net;
using System.Net.Sockets;
using System.Text;
using Cais.BuildKit.Grpc;
using Cais.EndToEnd.Tests;
using Google.Protobuf;
using Moby.Buildkit.V1.Frontend;
using Pb;
using SolveRequest = Moby.Buildkit.V1.Frontend.SolveRequest;
using SolveResponse = Moby.Buildkit.V1.Frontend.SolveResponse;

namespace Cais.BuildKit.Tests.Protocol;

/// <summary>Graphs of low-level operations, by a client that is its own frontend and by a frontend in a container.</summary>
[Trait("Tier", "e2e")]
public sealed class OperationTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static readonly string[] Letters = ["a", "b", "c"];

    [Fact]
    public async Task Commands_files_and_sources_become_one_tree()
    {
        await using var gateway = await OpenAsync("tree");
        var graph = new GraphBuilder();
        var image = graph.Source("docker-image://docker.io/library/busybox:latest");
        var local = graph.Source("local://context", ("local.followpaths", "[\"Small\"]"));
        var built = graph.Shell(image, "echo $ONE > /made; mkdir /old; touch /old/file");
        var files = graph.Files(
            [GraphBuilder.Of(built), GraphBuilder.Of(local)],
            new FileAction { Input = 0, SecondaryInput = -1, Output = -1, Mkdir = new FileActionMkDir { Path = "/new/deep", Mode = 0x1E8, MakeParents = true, Timestamp = -1 } },
            new FileAction { Input = 2, SecondaryInput = -1, Output = -1, Mkfile = new FileActionMkFile { Path = "/new/text", Mode = 0x180, Data = ByteString.CopyFromUtf8("written"), Timestamp = 1_000_000_000, Owner = Owner(7, 8) } },
            new FileAction { Input = 3, SecondaryInput = -1, Output = -1, Symlink = new FileActionSymlink { Oldpath = "text", Newpath = "/new/link", Timestamp = -1 } },
            new FileAction { Input = 4, SecondaryInput = -1, Output = -1, Rm = new FileActionRm { Path = "/old" } },
            new FileAction { Input = 5, SecondaryInput = 1, Output = 0, Copy = new FileActionCopy { Src = "/Small", Dest = "/copied/", Mode = -1, CreateDestPath = true, Timestamp = -1 } });
        var checkedOnce = graph.Shell(files, """
            test "$(cat /new/link)" = written; test "$(stat -c '%u %g %a %Y' /new/text)" = '7 8 600 1'; test "$(stat -c %a /new/deep)" = 750
            test ! -e /old; grep -q FROM /copied/Small; echo fine > /outcome
            """);
        Assert.Equal("fine\n", await gateway.ReadAsync(await gateway.SolveAsync(graph.Finish(checkedOnce)), "/outcome"));
    }

    [Fact]
    public async Task What_is_written_into_a_mount_is_a_result_of_its_own()
    {
        await using var gateway = await OpenAsync("mounts");
        var graph = new GraphBuilder();
        var image = graph.Source("docker-image://docker.io/library/busybox:latest");
        var data = graph.Files([], new FileAction { Input = -1, SecondaryInput = -1, Output = 0, Mkfile = new FileActionMkFile { Path = "/before", Mode = 0x1A4, Timestamp = -1 } });
        var run = graph.Add(new Op
        {
            Inputs = { GraphBuilder.Of(image), GraphBuilder.Of(data) },
            Exec = new ExecOp
            {
                Meta = new Meta { Args = { "sh", "-ec", "ls /data > /data/seen; echo main > /main; exit 3" }, Cwd = "/", ValidExitCodes = { 3 } },
                Mounts = { new Mount { Dest = "/", Input = 0, Output = 0 }, new Mount { Dest = "/data", Input = 1, Output = 1 }, new Mount { Dest = "/tmp", MountType = MountType.Tmpfs, Input = -1, Output = -1 } },
            },
        });
        for (var again = 0; again < 2; again++)
        {
            Assert.Equal("before\nseen\n", await gateway.ReadAsync(await gateway.SolveAsync(graph.Finish(run, 1)), "/seen"));
            Assert.Equal("main\n", await gateway.ReadAsync(await gateway.SolveAsync(graph.Finish(run, 0)), "/main"));
        }
    }

    [Fact]
    public async Task Trees_are_merged_and_differences_applied()
    {
        await using var gateway = await OpenAsync("merge");
        var graph = new GraphBuilder();
        var image = graph.Source("docker-image://docker.io/library/busybox:latest");
        var parts = Letters.Select(l => graph.Shell(image, $"mkdir -p /shared; echo {l} > /shared/{l}")).ToList();
        var shrunk = graph.Shell(image, "rm /bin/ls");
        var difference = graph.Add(new Op { Inputs = { GraphBuilder.Of(image), GraphBuilder.Of(shrunk) }, Diff = new DiffOp { Lower = new LowerDiffInput { Input = 0 }, Upper = new UpperDiffInput { Input = 1 } } });
        var merged = graph.Add(new Op
        {
            Inputs = { parts.Append(difference).Select(p => GraphBuilder.Of(p)) },
            Merge = new MergeOp { Inputs = { Enumerable.Range(0, 4).Select(i => new MergeInput { Input = i }) } },
        });
        var looked = graph.Shell(merged, "cat /shared/* > /all; test ! -e /bin/ls; test -e /bin/cat");
        Assert.Equal("a\nb\nc\n", await gateway.ReadAsync(await gateway.SolveAsync(graph.Finish(looked)), "/all"));
    }

    [Fact]
    public async Task A_copy_replaces_what_is_of_another_kind_only_where_it_is_asked_for()
    {
        await using var gateway = await OpenAsync("replace");
        var graph = new GraphBuilder();
        var image = graph.Source("docker-image://docker.io/library/busybox:latest");
        var from = graph.Shell(image, "mkdir -p /s/tree/inner; echo file > /s/tree/plain; echo deep > /s/tree/inner/deep");
        var to = graph.Shell(image, "mkdir -p /d/plain/old /d; echo old > /d/inner");
        string Copy(bool replace) => graph.Shell(
            graph.Files([GraphBuilder.Of(to), GraphBuilder.Of(from)], new FileAction { Input = 0, SecondaryInput = 1, Output = 0, Copy = Tree(c => c.AlwaysReplaceExistingDestPaths = replace) }),
            "cat /d/plain /d/inner/deep > /seen");
        Assert.Equal("file\ndeep\n", await gateway.ReadAsync(await gateway.SolveAsync(graph.Finish(Copy(true))), "/seen"));
        await Assert.ThrowsAsync<GrpcException>(() => gateway.SolveAsync(graph.Finish(Copy(false))));
    }

    [Fact]
    public async Task A_copy_by_patterns_fails_without_the_paths_that_it_must_have()
    {
        await using var gateway = await OpenAsync("required");
        var graph = new GraphBuilder();
        var from = graph.Shell(graph.Source("docker-image://docker.io/library/busybox:latest"), "mkdir -p /s/tree/sub; touch /s/tree/a /s/tree/sub/b /s/tree/c");
        string Copy(params string[] required) => graph.Files([GraphBuilder.Of(from)], new FileAction
        {
            Input = -1,
            SecondaryInput = 0,
            Output = 0,
            Copy = Tree(c =>
            {
                c.IncludePatterns.Add(["a", "sub/b"]);
                c.RequiredPaths.Add(required);
            }),
        });
        await gateway.SolveAsync(graph.Finish(Copy("a", "sub")));
        foreach (var missing in new[] { "c", "d" })
        {
            var e = await Assert.ThrowsAsync<GrpcException>(() => gateway.SolveAsync(graph.Finish(Copy("a", missing))));
            Assert.Contains($"\"{missing}\": not found", e.Message, StringComparison.Ordinal);
        }
    }

    private static FileActionCopy Tree(Action<FileActionCopy> change)
    {
        var copy = new FileActionCopy { Src = "/s/tree", Dest = "/d", DirCopyContents = true, Mode = -1, CreateDestPath = true, Timestamp = -1 };
        change(copy);
        return copy;
    }

    [Fact]
    public async Task A_definition_that_is_none_is_refused()
    {
        await using var gateway = await OpenAsync("invalid");
        var missing = new GraphBuilder();
        var image = missing.Source("docker-image://busybox");
        foreach (var definition in new[]
        {
            new Definition { Def = { ByteString.CopyFromUtf8("nonsense") } },
            new Definition { Def = { new Op { Source = new SourceOp { Identifier = "docker-image://busybox" } }.ToByteString() } },
            new GraphBuilder().Finish("sha256:" + new string('0', 64)),
            missing.Finish(image, 7),
        })
        {
            var e = await Assert.ThrowsAsync<GrpcException>(() => gateway.SolveAsync(definition));
            Assert.Equal(GrpcStatusCode.InvalidArgument, e.Code);
        }

        var graph = new GraphBuilder();
        var e2 = await Assert.ThrowsAsync<GrpcException>(() => gateway.SolveAsync(graph.Finish(graph.Source("floppy://a"))));
        Assert.Contains("floppy", e2.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_graph_without_frontend_is_built_and_named()
    {
        await using var client = Client();
        await client.OpenSessionAsync();
        var graph = new GraphBuilder();
        var built = graph.Shell(graph.Source("docker-image://docker.io/library/busybox:latest"), "echo plain > /kind");
        await client.Channel.CallAsync(
            "/moby.buildkit.v1.Control/Solve",
            new Moby.Buildkit.V1.SolveRequest
            {
                Ref = "plain",
                Session = client.SessionId,
                Definition = graph.Finish(built),
                Exporters = { new Moby.Buildkit.V1.Exporter { Type = "image", Attrs = { ["name"] = "from-graph" } } },
            },
            Moby.Buildkit.V1.SolveResponse.Parser,
            CancellationToken.None);
        Assert.Equal("plain", (await fixture.Engine.Docker("run", "--rm", "from-graph", "cat", "/kind")).Succeeded().Text);
    }

    [Fact]
    public async Task A_frontend_that_is_an_image_says_what_to_build()
    {
        // The program in the container passes its connection on to this test, which is the frontend.
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        var address = (await fixture.Engine.Docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")).Succeeded().Text;
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var context = Directory.CreateTempSubdirectory("frontend-").FullName;
        File.WriteAllText(Path.Combine(context, "Dockerfile"), $"FROM busybox\nCMD [\"sh\", \"-c\", \"env | grep _OPT_ >&2; exec nc {address} {port}\"]\n");
        (await fixture.Engine.Cais("build", "-q", "-t", "example.test/frontend", context)).Succeeded();
        Directory.Delete(context, recursive: true);
        await using var client = new OwnClient(fixture.Engine.Socket, new Dictionary<string, string> { ["Dockerfile"] = "# syntax=example.test/frontend extra\nthis is another language\n" });
        await client.OpenSessionAsync();
        var solving = client.Channel.CallAsync(
            "/moby.buildkit.v1.Control/Solve",
            new Moby.Buildkit.V1.SolveRequest
            {
                Ref = "frontend",
                Session = client.SessionId,
                Frontend = "dockerfile.v0",
                FrontendAttrs = { ["target"] = "mine" },
                Exporters = { new Moby.Buildkit.V1.Exporter { Type = "image", Attrs = { ["name"] = "from-frontend" } } },
            },
            Moby.Buildkit.V1.SolveResponse.Parser,
            CancellationToken.None);
        using (var program = await listener.AcceptSocketAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken))
        {
            using var channel = new GrpcChannel(new NetworkStream(program));
            var pong = await Ask(channel, "Ping", new PingRequest(), PongResponse.Parser);
            Assert.Contains(pong.LLBCaps, c => c.ID == "file.base");
            var graph = new GraphBuilder();
            var read = await Ask(channel, "Solve", new SolveRequest { Definition = graph.Finish(graph.Source("local://dockerfile")) }, SolveResponse.Parser);
            var text = await Ask(channel, "ReadFile", new ReadFileRequest { Ref = read.Result.Ref.Id, FilePath = "Dockerfile" }, ReadFileResponse.Parser);
            Assert.Contains("another language", text.Data.ToStringUtf8(), StringComparison.Ordinal);
            var image = await Ask(channel, "ResolveImageConfig", new ResolveImageConfigRequest { Ref = "docker.io/library/busybox:latest" }, ResolveImageConfigResponse.Parser);
            Assert.StartsWith("sha256:", image.Digest, StringComparison.Ordinal);
            graph = new GraphBuilder();
            var built = await Ask(
                channel, "Solve", new SolveRequest { Definition = graph.Finish(graph.Shell(graph.Source("docker-image://docker.io/library/busybox:latest"), "echo mine > /mine")) }, SolveResponse.Parser);
            await Ask(
                channel,
                "Return",
                new ReturnRequest
                {
                    Result = new Result
                    {
                        Ref = built.Result.Ref,
                        Metadata = { ["containerimage.config"] = ByteString.CopyFromUtf8("""{"architecture":"amd64","os":"linux","config":{"Cmd":["cat","/mine"]},"rootfs":{"type":"layers","diff_ids":[]}}""") },
                    },
                },
                ReturnResponse.Parser);
        }

        await solving;
        Assert.Equal("mine", (await fixture.Engine.Docker("run", "--rm", "from-frontend")).Succeeded().Text);
        var said = string.Concat((await client.StatusUntilAsync("frontend", _ => false)).Logs.Select(l => l.Msg.ToStringUtf8()));
        Assert.Contains("=target=mine", said, StringComparison.Ordinal);
        Assert.Contains("=cmdline=example.test/frontend extra", said, StringComparison.Ordinal);
    }

    private static async Task<T> Ask<T>(GrpcChannel channel, string method, IMessage request, MessageParser<T> parser) where T : class, IMessage<T> =>
        await channel.CallAsync("/moby.buildkit.v1.frontend.LLBBridge/" + method, request, parser, CancellationToken.None);

    private static ChownOpt Owner(uint user, uint group) => new() { User = new UserOpt { ByID = user }, Group = new UserOpt { ByID = group } };

    private OwnClient Client() => new(fixture.Engine.Socket, new Dictionary<string, string> { ["Dockerfile"] = "FROM scratch\n", ["Small"] = "FROM scratch\nCOPY Small /etc/small\n" });

    private async Task<OpenGateway> OpenAsync(string name)
    {
        var client = Client();
        await client.OpenSessionAsync();
        return new OpenGateway(client, name);
    }

    /// <summary>A build that is open as long as this is.</summary>
    private sealed class OpenGateway : IAsyncDisposable
    {
        private readonly OwnClient _client;
        private readonly string _name;
        private readonly Task _solving;

        public OpenGateway(OwnClient client, string name)
        {
            (_client, _name) = (client, name);
            _solving = client.Channel.CallAsync(
                "/moby.buildkit.v1.Control/Solve", new Moby.Buildkit.V1.SolveRequest { Ref = name, Session = client.SessionId }, Moby.Buildkit.V1.SolveResponse.Parser, CancellationToken.None);
        }

        public async Task<string> SolveAsync(Definition definition) => (await CallAsync("Solve", new SolveRequest { Definition = definition }, SolveResponse.Parser)).Result.Ref.Id;

        public async Task<string> ReadAsync(string reference, string path) =>
            Encoding.UTF8.GetString((await CallAsync("ReadFile", new ReadFileRequest { Ref = reference, FilePath = path }, ReadFileResponse.Parser)).Data.Span);

        public async ValueTask DisposeAsync()
        {
            await CallAsync("Return", new ReturnRequest { Result = new Result() }, ReturnResponse.Parser);
            await _solving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _client.DisposeAsync();
        }

        private async Task<T> CallAsync<T>(string method, IMessage request, MessageParser<T> parser) where T : class, IMessage<T>
        {
            using var call = _client.Channel.Begin(
                "/moby.buildkit.v1.frontend.LLBBridge/" + method, [KeyValuePair.Create("buildkit-controlapi-buildid", (IReadOnlyList<string>)[_name])], CancellationToken.None);
            await call.SendAsync(request);
            await call.FinishSendingAsync();
            return (await call.ReadAsync(parser))!;
        }
    }
}
