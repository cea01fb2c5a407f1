using Cais.Linux.Io;
using Cais.Ttrpc;
using Containerd.Events;
using Containerd.Services.Events.Ttrpc.V1;
using Containerd.Types;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Shims;

/// <summary>
/// Where shims publish what happens, by containerd's events service. Most of it the engine learns from their answers; this is for what nobody asks about: that
/// the kernel has killed a process for want of memory. Our own shims publish nothing else, so that a container's start does not wait for it.
/// </summary>
internal sealed class ShimEvents : IDisposable
{
    public const string OutOfMemory = "/tasks/oom";

    private readonly EventLoop _loop;
    private readonly TtrpcServer _server;

    public ShimEvents(EventLoop loop, string directory)
    {
        _loop = loop;
        Address = Path.Combine(directory, "events");
        File.Delete(Address);
        _server = new TtrpcServer(loop);
        _server.Handle("containerd.services.events.ttrpc.v1.Events", "Forward", ForwardRequest.Parser, (request, _) =>
        {
            Take(request.Envelope);
            return ValueTask.FromResult(new Empty());
        });
        _server.Listen(UnixSocket.Listen(Address));
    }

    /// <summary>The socket, for a shim's environment.</summary>
    public string Address { get; }

    /// <summary>Told of each container, by its id, in which a process was killed for want of memory; on the loop's thread.</summary>
    public Action<string>? OutOfMemoryIn { get; set; }

    public void Dispose()
    {
        _loop.Post(_server.Dispose);
        File.Delete(Address);
    }

    private void Take(Envelope? envelope)
    {
        if (envelope is not { Topic: OutOfMemory, Event: { } told })
        {
            return;
        }

        try
        {
            OutOfMemoryIn?.Invoke(TaskOOM.Parser.ParseFrom(told.Value).ContainerId);
        }
        catch (InvalidProtocolBufferException)
        {
            // A shim that does not keep to the protocol: its container's end tells the rest.
        }
    }
}
