using System.Globalization;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Shim.Commands;
using Cais.Ttrpc;
using Containerd.Services.Events.Ttrpc.V1;
using Containerd.Types;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Events;

/// <summary>
/// Tells containerd (or whoever listens at TTRPC_ADDRESS) what happened, in order, without anything here waiting for it. Without an
/// address nothing is told. Loop thread only.
/// </summary>
internal sealed class EventPublisher(EventLoop loop, EventDestination destination, string containerdNamespace, ShimLog log) : IDisposable
{
    private const int MaxAttempts = 5;
    private const int MaxWaiting = 2048;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);

    private readonly Queue<Envelope> _waiting = new();
    private readonly List<TaskCompletionSource> _flushing = [];
    private TtrpcClient? _client;
    private bool _draining;

    /// <summary>Queues an event.</summary>
    /// <param name="topic">As <c>/tasks/exit</c>.</param>
    /// <param name="type">Full name of the message.</param>
    /// <param name="message">Its content.</param>
    public void Publish(string topic, string type, IMessage message)
    {
        if (!destination.Wants(topic))
        {
            return;
        }

        if (_waiting.Count == MaxWaiting)
        {
            _waiting.Dequeue();
        }

        _waiting.Enqueue(new Envelope
        {
            Timestamp = DateTime.UtcNow.ToTimestamp(),
            Namespace = containerdNamespace,
            Topic = topic,
            Event = new Any { TypeUrl = type, Value = message.ToByteString() },
        });
        if (!_draining)
        {
            _draining = true;
            _ = DrainAsync();
        }
    }

    /// <summary>Completes when nothing waits any more.</summary>
    public Task FlushAsync()
    {
        if (!_draining)
        {
            return Task.CompletedTask;
        }

        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _flushing.Add(done);
        return done.Task;
    }

    public void Dispose() => _client?.Dispose();

    private async Task DrainAsync()
    {
        while (_waiting.TryPeek(out var envelope))
        {
            for (var attempt = 1; !await TrySendAsync(envelope); attempt++)
            {
                if (attempt == MaxAttempts)
                {
                    log.Error($"event {envelope.Topic} is lost: nobody takes it");
                    break;
                }

                await PauseAsync(TimeSpan.FromSeconds(attempt));
            }

            if (_waiting.Count > 0 && ReferenceEquals(_waiting.Peek(), envelope))
            {
                _waiting.Dequeue();
            }
        }

        _draining = false;
        _flushing.ForEach(waiter => waiter.TrySetResult());
        _flushing.Clear();
    }

    private Task PauseAsync(TimeSpan delay)
    {
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Schedule(delay, over.SetResult);
        return over.Task;
    }

    private async Task<bool> TrySendAsync(Envelope envelope)
    {
        try
        {
            if (destination.TtrpcAddress.Length > 0)
            {
                await ForwardAsync(envelope);
            }
            else
            {
                await RunPublisherAsync(envelope);
            }

            return true;
        }
        catch (Exception e) when (e is IOException or TtrpcException)
        {
            log.Debug($"publish {envelope.Topic}: {e.Message}");
            _client?.Dispose();
            _client = null;
            return false;
        }
    }

    private async Task ForwardAsync(Envelope envelope)
    {
        _client ??= await TtrpcClient.ConnectAsync(
            loop, destination.TtrpcAddress, new Dictionary<string, string> { ["containerd-namespace-ttrpc"] = containerdNamespace });
        await _client.CallAsync(
            "containerd.services.events.ttrpc.v1.Events", "Forward", new ForwardRequest { Envelope = envelope }, Empty.Parser, CallTimeout);
    }

    private async Task RunPublisherAsync(Envelope envelope)
    {
        var (reader, writer) = Pipe.Create();
        using var publisher = Start(reader, envelope.Topic);
        Descriptors.SetNonBlocking(writer, true);
        using var input = new DescriptorWriter(loop, writer);
        try
        {
            await input.WriteAsync(envelope.Event.ToByteArray());
        }
        catch (LinuxException)
        {
            // It ended without reading: its exit code tells.
        }

        input.Complete();
        var status = await publisher.WaitAsync(loop);
        if (status is not { Code: 0, Signal: 0 })
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{destination.PublishBinary} publish ended with {status.ShellCode}"));
        }
    }

    private ChildProcess Start(FileDescriptor input, string topic)
    {
        using (input)
        {
            return ChildProcess.Start(new ChildCommand
            {
                Program = destination.PublishBinary,
                Arguments = ["--address", destination.GrpcAddress, "publish", "--topic", topic, "--namespace", containerdNamespace],
                Descriptors = [input],
            });
        }
    }
}

/// <summary>Where events go: a ttrpc socket, else a program (with containerd's socket as its argument), else nowhere.</summary>
internal sealed record EventDestination(string TtrpcAddress, string PublishBinary, string GrpcAddress)
{
    /// <summary>The only events to tell there; null is all.</summary>
    public IReadOnlyList<string>? Topics { get; init; }

    public bool Wants(string topic) =>
        (TtrpcAddress.Length > 0 || (PublishBinary.Length > 0 && GrpcAddress.Length > 0)) && (Topics is null || Topics.Contains(topic));
}
