using System.Collections.Concurrent;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Ttrpc;

namespace Cais.Ttrpc.Tests;

/// <summary>Client and server against each other, and each against a peer that breaks the rules.</summary>
public sealed class ClientServerTests : IDisposable
{
    private const string Service = "test.Service";
    private static readonly TimeSpan Deadline = Eventually.Deadline;

    private readonly EventLoop _loop = EventLoop.Start("ttrpc");
    private readonly ConcurrentQueue<Exception> _errors = [];
    private readonly TtrpcServer _server;
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ClientServerTests()
    {
        _server = new TtrpcServer(_loop);
        _server.Handle(Service, "Echo", StringValue.Parser, (request, _) => ValueTask.FromResult(request));
        _server.Handle(Service, "Metadata", StringValue.Parser, (request, call) => ValueTask.FromResult(new StringValue { Value = call.Metadata(request.Value) ?? "none" }));
        _server.Handle<StringValue, StringValue>(Service, "Fail", StringValue.Parser, (request, _) => throw new TtrpcException(TtrpcStatusCode.NotFound, request.Value));
        _server.Handle<StringValue, StringValue>(Service, "Break", StringValue.Parser, (request, _) => throw new InvalidOperationException(request.Value));
        _server.Handle(Service, "Wait", StringValue.Parser, async (request, call) =>
        {
            await _release.Task.WaitAsync(call.Cancellation);
            return request;
        });
        _server.Handle(Service, "Large", Int32Value.Parser, (request, _) => ValueTask.FromResult(new BytesValue { Value = ByteString.CopyFrom(new byte[request.Value]) }));
    }

    public void Dispose()
    {
        _loop.Post(_server.Dispose);
        _loop.Dispose();
        Assert.Empty(_errors);
    }

    [Fact]
    public async Task Many_calls_in_flight_are_each_given_their_own_answer()
    {
        using var client = Connect();
        var waiting = Enumerable.Range(0, 500).Select(i => Call(client, "Wait", $"late {i}")).ToList();
        var echoes = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => Call(client, "Echo", $"soon {i}"))).WaitAsync(Deadline);
        Assert.Equal(Enumerable.Range(0, 500).Select(i => $"soon {i}"), echoes);
        Assert.All(waiting, w => Assert.False(w.IsCompleted));
        _release.SetResult();
        Assert.Equal(Enumerable.Range(0, 500).Select(i => $"late {i}"), await Task.WhenAll(waiting).WaitAsync(Deadline));
    }

    [Fact]
    public async Task Errors_come_with_code_and_message()
    {
        using var client = Connect();
        var failure = await Assert.ThrowsAsync<TtrpcException>(() => Call(client, "Fail", "no such thing"));
        Assert.Equal((TtrpcStatusCode.NotFound, "no such thing"), (failure.Code, failure.Message));
        Assert.Equal($"{Service}/Fail", failure.Method);
        Assert.Equal(TtrpcStatusCode.Unknown, (await Assert.ThrowsAsync<TtrpcException>(() => Call(client, "Break", "a bug"))).Code);
        Assert.Equal(TtrpcStatusCode.Unimplemented, (await Assert.ThrowsAsync<TtrpcException>(() => Call(client, "Nothing", ""))).Code);
    }

    [Fact]
    public async Task Metadata_goes_along_with_every_call()
    {
        using var client = Connect(new Dictionary<string, string> { ["namespace"] = "here" });
        Assert.Equal("here", await Call(client, "Metadata", "namespace"));
        Assert.Equal("none", await Call(client, "Metadata", "other"));
    }

    [Fact]
    public async Task A_time_out_ends_the_call_on_both_sides()
    {
        using var client = Connect();
        var failure = await Assert.ThrowsAsync<TtrpcException>(() => client.CallAsync(
            Service, "Wait", new StringValue(), StringValue.Parser, TimeSpan.FromMilliseconds(50)).WaitAsync(Deadline));
        Assert.Equal(TtrpcStatusCode.DeadlineExceeded, failure.Code);
        Assert.Equal("still there", await Call(client, "Echo", "still there"));
    }

    [Fact]
    public async Task A_cancelled_call_ends_and_the_connection_goes_on()
    {
        using var client = Connect();
        using var cancel = new CancellationTokenSource();
        var call = client.CallAsync(Service, "Wait", new StringValue(), StringValue.Parser, null, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.WaitAsync(Deadline));
        Assert.Equal("still there", await Call(client, "Echo", "still there"));
    }

    [Fact]
    public async Task When_the_server_goes_every_pending_call_fails()
    {
        using var client = Connect();
        var calls = Enumerable.Range(0, 20).Select(i => Call(client, "Wait", "")).ToList();
        await Call(client, "Echo", "all are sent");
        _loop.Post(_server.Dispose);
        foreach (var call in calls)
        {
            await Assert.ThrowsAsync<TtrpcClosedException>(() => call.WaitAsync(Deadline));
        }

        await client.Closed.WaitAsync(Deadline);
        await Assert.ThrowsAsync<TtrpcClosedException>(() => Call(client, "Echo", "too late"));
    }

    [Fact]
    public async Task When_the_client_goes_the_servers_handlers_are_told()
    {
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Handle(Service, "Notice", StringValue.Parser, async (request, call) =>
        {
            try
            {
                await _release.Task.WaitAsync(call.Cancellation);
                return request;
            }
            finally
            {
                cancelled.SetResult();
            }
        });
        var client = Connect();
        var call = Call(client, "Notice", "");
        await Call(client, "Echo", "sent");
        client.Dispose();
        await cancelled.Task.WaitAsync(Deadline);
        await Assert.ThrowsAsync<TtrpcClosedException>(() => call.WaitAsync(Deadline));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100_000)]
    [InlineData((4 << 20) - 64)]
    public async Task Large_answers_arrive_whole(int size)
    {
        using var client = Connect();
        var answers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ =>
            client.CallAsync(Service, "Large", new Int32Value { Value = size }, BytesValue.Parser))).WaitAsync(Deadline);
        Assert.All(answers, a => Assert.Equal(size, a.Value.Length));
    }

    [Fact]
    public async Task Messages_that_are_too_long_fail_alone()
    {
        using var client = Connect();
        var tooMuch = await Assert.ThrowsAsync<TtrpcException>(() => client.CallAsync(Service, "Large", new Int32Value { Value = 5 << 20 }, BytesValue.Parser).WaitAsync(Deadline));
        Assert.Equal(TtrpcStatusCode.ResourceExhausted, tooMuch.Code);
        tooMuch = await Assert.ThrowsAsync<TtrpcException>(() => Call(client, "Echo", new string('x', 5 << 20)));
        Assert.Equal(TtrpcStatusCode.ResourceExhausted, tooMuch.Code);
        Assert.Equal("still there", await Call(client, "Echo", "still there"));
    }

    [Fact]
    public async Task The_server_answers_broken_requests_and_goes_on()
    {
        var (peer, socket) = UnixSocket.CreatePair();
        using (peer)
        {
            _server.Serve(socket);
            var echo = new Request { Service = Service, Method = "Echo", Payload = new StringValue { Value = "x" }.ToByteString() }.ToByteArray();
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(2, FrameType.Request, echo));
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(3, FrameType.Response, echo));
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(5, FrameType.Data, echo));
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(7, (FrameType)99, echo));
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(9, FrameType.Request, [0xff, 0xff, 0xff]));
            var broken = new Request { Service = Service, Method = "Echo", Payload = ByteString.CopyFrom(0xff, 0xff, 0xff) }.ToByteArray();
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(11, FrameType.Request, broken));
            Assert.Equal(TtrpcStatusCode.ResourceExhausted, await Ask(13, FrameType.Request, new byte[FrameHeader.MaxPayload + 1]));
            var waiting = new Request { Service = Service, Method = "Wait" }.ToByteArray();
            await Send(peer, 15, FrameType.Request, waiting);
            Assert.Equal(TtrpcStatusCode.InvalidArgument, await Ask(15, FrameType.Request, waiting));
            Assert.Equal(TtrpcStatusCode.Ok, await Ask(17, FrameType.Request, echo));
        }

        async Task<TtrpcStatusCode> Ask(uint stream, FrameType type, byte[] payload)
        {
            await Send(peer, stream, type, payload);
            var (header, answer) = await Receive(peer);
            Assert.Equal((stream, FrameType.Response), (header.Stream, header.Type));
            return (TtrpcStatusCode)(Response.Parser.ParseFrom(answer).Status?.Code ?? 0);
        }
    }

    [Fact]
    public async Task The_client_survives_a_server_that_breaks_the_rules()
    {
        var (peer, socket) = UnixSocket.CreatePair();
        using (peer)
        using (var client = TtrpcClient.Open(_loop, "peer", socket))
        {
            var unknownStream = Call(client, "A", "");
            await Send(peer, 77, FrameType.Response, new Response().ToByteArray());
            await Send(peer, 1, FrameType.Data, []);
            Assert.Equal(TtrpcStatusCode.Unimplemented, (await Assert.ThrowsAsync<TtrpcException>(() => unknownStream)).Code);

            var malformed = Call(client, "B", "");
            await Send(peer, 3, FrameType.Response, [0xff, 0xff]);
            Assert.Equal(TtrpcStatusCode.Internal, (await Assert.ThrowsAsync<TtrpcException>(() => malformed)).Code);

            var tooLong = Call(client, "C", "");
            await Send(peer, 5, FrameType.Response, new byte[FrameHeader.MaxPayload + 1]);
            Assert.Equal(TtrpcStatusCode.ResourceExhausted, (await Assert.ThrowsAsync<TtrpcException>(() => tooLong)).Code);

            var right = Call(client, "D", "");
            await Send(peer, 7, FrameType.Response, new Response { Payload = new StringValue { Value = "fine" }.ToByteString() }.ToByteArray());
            Assert.Equal("fine", await right.WaitAsync(Deadline));
        }
    }

    [Fact]
    public async Task A_client_that_never_reads_is_cut_off_and_others_are_served()
    {
        var (peer, socket) = UnixSocket.CreatePair();
        using (peer)
        {
            _server.Serve(socket);
            var large = new Request { Service = Service, Method = "Large", Payload = new Int32Value { Value = 1 << 20 }.ToByteString() }.ToByteArray();
            await Assert.ThrowsAsync<LinuxException>(async () =>
            {
                for (uint stream = 1; ; stream += 2)
                {
                    await Send(peer, stream, FrameType.Request, large);
                }
            }).WaitAsync(Deadline);
        }

        using var other = Connect();
        Assert.Equal("served", await Call(other, "Echo", "served"));
    }

    [Fact]
    public async Task Connecting_where_nobody_listens_fails_at_once()
    {
        var failure = await Assert.ThrowsAsync<LinuxException>(() => TtrpcClient.ConnectAsync(_loop, "unix:///nowhere/at.all"));
        Assert.Equal(Errno.ENOENT, failure.Errno);
    }

    [Fact]
    public async Task A_socket_with_a_very_long_path_is_reached()
    {
        var directory = Path.Combine(Path.GetTempPath(), $"ttrpc-{Environment.ProcessId}", new string('d', 120));
        Directory.CreateDirectory(directory);
        try
        {
            var path = Path.Combine(directory, "socket");
            _server.Listen(UnixSocket.Listen(path));
            using var client = await TtrpcClient.ConnectAsync(_loop, "unix://" + path);
            Assert.Equal("far", await Call(client, "Echo", "far"));
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(directory)!, recursive: true);
        }
    }

    private TtrpcClient Connect(IReadOnlyDictionary<string, string>? metadata = null)
    {
        var (client, server) = UnixSocket.CreatePair();
        _server.Serve(server);
        return TtrpcClient.Open(_loop, "server", client, metadata);
    }

    private static async Task<string> Call(TtrpcClient client, string method, string text) =>
        (await client.CallAsync(Service, method, new StringValue { Value = text }, StringValue.Parser).WaitAsync(Deadline)).Value;

    private static async Task Send(FileDescriptor peer, uint stream, FrameType type, byte[] payload)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader((uint)payload.Length, stream, type, 0).Write(frame);
        payload.CopyTo(frame, FrameHeader.Size);
        for (var sent = 0; sent < frame.Length;)
        {
            var count = UnixSocket.TrySend(peer, frame.AsSpan(sent));
            if (count == Descriptors.WouldBlock)
            {
                await Task.Delay(1);
            }
            else
            {
                sent += count;
            }
        }
    }

    private static async Task<(FrameHeader Header, byte[] Payload)> Receive(FileDescriptor peer)
    {
        var header = FrameHeader.Read(await Read(FrameHeader.Size));
        return (header, await Read((int)header.Length));

        async Task<byte[]> Read(int length)
        {
            var bytes = new byte[length];
            for (var got = 0; got < length;)
            {
                var count = 0;
                await Eventually.Holds(() => (count = Descriptors.TryRead(peer, bytes.AsSpan(got))) != Descriptors.WouldBlock, "an answer");
                Assert.NotEqual(0, count);
                got += count;
            }

            return bytes;
        }
    }
}
