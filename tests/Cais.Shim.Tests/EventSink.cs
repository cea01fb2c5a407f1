using Cais.Linux.Io;
using Cais.Ttrpc;
using Containerd.Services.Events.Ttrpc.V1;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Tests;

/// <summary>containerd's side of event publishing.</summary>
internal sealed class EventSink : IAsyncDisposable
{
    private static int _serial;

    private readonly EventLoop _loop = EventLoop.Start("events");
    private readonly TtrpcServer _server;
    private readonly List<string> _topics = [];

    public EventSink()
    {
        Address = $"/tmp/events-{Environment.ProcessId}-{Interlocked.Increment(ref _serial)}.sock";
        _server = new TtrpcServer(_loop);
        _server.Handle("containerd.services.events.ttrpc.v1.Events", "Forward", ForwardRequest.Parser, (request, call) =>
        {
            Assert.Equal("tests", request.Envelope.Namespace);
            Assert.Equal("tests", call.Metadata("containerd-namespace-ttrpc"));
            lock (_topics)
            {
                _topics.Add(request.Envelope.Topic);
            }

            return ValueTask.FromResult(new Empty());
        });
        _server.Listen(UnixSocket.Listen(Address));
    }

    public string Address { get; }

    public IReadOnlyList<string> Topics
    {
        get
        {
            lock (_topics)
            {
                return [.. _topics];
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _loop.Post(_server.Dispose);
        _loop.Dispose();
        File.Delete(Address);
        return ValueTask.CompletedTask;
    }
}
