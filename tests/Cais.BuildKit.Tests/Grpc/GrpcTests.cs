using Cais.BuildKit.Grpc;
using Cais.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Moby.Buildkit.Secrets.V1;
using Moby.Filesync.V1;

namespace Cais.BuildKit.Tests.Grpc;

public sealed class GrpcTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_unary_call_gives_its_answer()
    {
        await using var wire = new Wire(s => s.MapUnary("/t.T/Get", GetSecretRequest.Parser, (r, _) =>
            Task.FromResult<IMessage>(new GetSecretResponse { Data = ByteString.CopyFromUtf8("secret of " + r.ID) })));
        var answer = await wire.Channel.CallAsync("/t.T/Get", new GetSecretRequest { ID = "x" }, GetSecretResponse.Parser, None);
        Assert.Equal("secret of x", answer.Data.ToStringUtf8());
    }

    [Fact]
    public async Task An_error_arrives_with_its_code_message_and_details()
    {
        await using var wire = new Wire(s => s.Map("/t.T/Fail", _ => throw new GrpcException(GrpcStatusCode.NotFound, "100 % gone: größer")
        {
            Details = [new Any { TypeUrl = "type", Value = ByteString.CopyFromUtf8("detail") }],
        }));
        var e = await Assert.ThrowsAsync<GrpcException>(() => wire.Channel.CallAsync("/t.T/Fail", new Empty(), Empty.Parser, None));
        Assert.Equal(GrpcStatusCode.NotFound, e.Code);
        Assert.Equal("100 % gone: größer", e.Message);
        Assert.Equal("detail", Assert.Single(e.Details).Value.ToStringUtf8());
    }

    [Fact]
    public async Task An_unknown_method_is_unimplemented()
    {
        await using var wire = new Wire(_ => { });
        var e = await Assert.ThrowsAsync<GrpcException>(() => wire.Channel.CallAsync("/t.T/None", new Empty(), Empty.Parser, None));
        Assert.Equal(GrpcStatusCode.Unimplemented, e.Code);
    }

    [Fact]
    public async Task A_malformed_message_is_refused_and_the_connection_lives_on()
    {
        await using var wire = new Wire(s => s.MapUnary("/t.T/Get", GetSecretRequest.Parser, (_, _) => Task.FromResult<IMessage>(new GetSecretResponse())));
        // A field of type string that ends before its length says.
        using (var call = wire.Channel.Begin("/t.T/Get", null, None))
        {
            // It may be refused before all is sent.
            Assert.NotNull(await Record.ExceptionAsync(async () =>
            {
                await call.SendAsync(new BytesMessage { Data = ByteString.CopyFrom(0xff, 0xff, 0xff) });
                await call.SendAsync(new BytesMessage());
                await call.FinishSendingAsync();
                await call.ReadAsync(GetSecretResponse.Parser);
            }));
        }

        Assert.NotNull(await wire.Channel.CallAsync("/t.T/Get", new GetSecretRequest { ID = "x" }, GetSecretResponse.Parser, None));
    }

    [Fact]
    public async Task Messages_flow_both_ways_at_once()
    {
        await using var wire = new Wire(s => s.Map("/t.T/Echo", async call =>
        {
            var reader = call.Reader(BytesMessage.Parser);
            while (await reader.ReadAsync(call.Canceled) is { } message)
            {
                await call.SendAsync(message, call.Canceled);
            }
        }));
        using var echo = wire.Channel.Begin("/t.T/Echo", null, None);
        var large = ByteString.CopyFrom(new byte[3 << 20]);
        for (var i = 0; i < 3; i++)
        {
            await echo.SendAsync(new BytesMessage { Data = ByteString.CopyFromUtf8(i.ToString(System.Globalization.CultureInfo.InvariantCulture)) });
            Assert.Equal($"{i}", (await echo.ReadAsync(BytesMessage.Parser))!.Data.ToStringUtf8());
        }

        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < 5; i++)
            {
                await echo.SendAsync(new BytesMessage { Data = large });
            }

            await echo.FinishSendingAsync();
        });
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(large.Length, (await echo.ReadAsync(BytesMessage.Parser))!.Data.Length);
        }

        Assert.Null(await echo.ReadAsync(BytesMessage.Parser));
        await sending;
    }

    [Fact]
    public async Task Values_of_one_name_stay_values_of_their_own()
    {
        IReadOnlyList<string> seen = [];
        await using var wire = new Wire(s => s.MapUnary("/t.T/Get", Empty.Parser, (_, call) =>
        {
            seen = call.MetadataAll("exclude-patterns");
            return Task.FromResult<IMessage>(new Empty());
        }));
        string[] patterns = ["*.log", "a, b", "!keep.log", new string('x', 40000), .. Enumerable.Range(0, 300).Select(i => $"node_modules/{i}")];
        using var call = wire.Channel.Begin("/t.T/Get", [KeyValuePair.Create("exclude-patterns", (IReadOnlyList<string>)patterns[..3])], None);
        await call.SendAsync(new Empty());
        await call.FinishSendingAsync();
        Assert.NotNull(await call.ReadAsync(Empty.Parser));
        Assert.Equal(patterns[..3], seen);
    }

    [Fact]
    public async Task Canceling_a_call_reaches_its_handler()
    {
        var canceled = new TaskCompletionSource();
        await using var wire = new Wire(s => s.Map("/t.T/Wait", async call =>
        {
            await call.BeginAsync();
            await Task.Delay(Timeout.Infinite, call.Canceled).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            canceled.SetResult();
        }));
        using var cancel = new CancellationTokenSource();
        using var call = wire.Channel.Begin("/t.T/Wait", null, cancel.Token);
        await call.SendAsync(new Empty());
        await cancel.CancelAsync();
        await canceled.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_connection_that_ends_ends_its_calls()
    {
        var begun = new TaskCompletionSource();
        await using var wire = new Wire(s => s.Map("/t.T/Wait", async call =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, call.Canceled);
        }));
        var calling = wire.Channel.CallAsync("/t.T/Wait", new Empty(), Empty.Parser, None);
        await begun.Task;
        wire.Cut();
        var e = await Assert.ThrowsAsync<GrpcException>(() => calling);
        Assert.Equal(GrpcStatusCode.Unavailable, e.Code);
        await Eventually.Holds(() => wire.Channel.Lost.IsCancellationRequested, "the channel knows that it is lost");
    }

    [Fact]
    public void Message_text_survives_its_encoding()
    {
        const string text = "a%b\nc äöü €";
        Assert.Equal(text, MessageFraming.DecodeText(MessageFraming.EncodeText(text)));
        Assert.DoesNotContain('\n', MessageFraming.EncodeText(text));
    }
}
