using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Shim.Events;
using Cais.Shim.Streams;
using Cais.Shim.Tasks;
using Cais.Ttrpc;

namespace Cais.Shim.Commands;

/// <summary>
/// The shim proper: serves the Task service at a socket until it is told to shut down. The socket is descriptor 3, already listening, so
/// whoever starts the shim can connect before it runs; or <c>-socket</c> names a path.
/// </summary>
internal sealed class ServeCommand : IDisposable
{
    private const int InheritedListener = 3;
    private static readonly TimeSpan FlushWithin = TimeSpan.FromSeconds(3);

    private readonly ShimOptions _options;
    private readonly EventLoop _loop;
    private readonly TtrpcServer _server;
    private readonly EventPublisher _events;
    private readonly TaskService _tasks;
    private readonly OrphanReaper _reaper;
    private readonly MemoryTrimmer _memory;
    private FileDescriptor? _parent;
    private bool _parentIsGone;
    private FileDescriptor? _childSignal;
    private PosixSignalRegistration? _childHandler;
    private bool _isStopping;

    private ServeCommand(ShimOptions options, ShimLog log)
    {
        _options = options;
        _loop = new EventLoop(e => log.Error(e.ToString()));
        _server = new TtrpcServer(_loop);
        var destination = new EventDestination(
            Environment.GetEnvironmentVariable("TTRPC_ADDRESS") ?? "", options.PublishBinary, options.Address)
        {
            Topics = options.Topics.Length > 0 ? options.Topics.Split(',') : null,
        };
        _events = new EventPublisher(_loop, destination, options.Namespace, log);
        _reaper = new OrphanReaper(pid => _tasks!.Owns(pid));
        var input = options.Action == "serve" ? InputRule.EndsWhenTold : InputRule.EndsWithClient;
        _tasks = new TaskService(new TaskHost(_loop, _reaper, _events, log, options.Namespace, input), OnTasksChanged, () => _ = StopAsync());
        _memory = new MemoryTrimmer(_loop, _reaper.Sweep);
    }

    public static int Run(ShimOptions options)
    {
        var bundle = options.Bundle.Length > 0 ? options.Bundle : Environment.CurrentDirectory;
        using var command = new ServeCommand(options, ShimLog.Open(bundle, options.Debug, options.Id));
        return command.Serve();
    }

    public void Dispose()
    {
        _server.Dispose();
        _events.Dispose();
        _parent?.Dispose();
        _childSignal?.Dispose();
        _childHandler?.Dispose();
        _loop.Dispose();
    }

    private int Serve()
    {
        SynchronizationContext.SetSynchronizationContext(new LoopContext(_loop));
        Subreaper.Become();
        WatchChildren();
        _tasks.Register(_server);
        _server.ConnectionClosed = StopIfAbandoned;
        _server.Listen(Listener());
        if (_options.Action == "serve")
        {
            WatchParent();
        }

        _loop.Run();
        if (_options.Socket.Length > 0)
        {
            File.Delete(_options.Socket);
        }

        return 0;
    }

    /// <summary>Processes that the shim knows are watched by descriptors of their own; this is for those that it does not.</summary>
    private void WatchChildren()
    {
        if (RuntimeFeature.IsDynamicCodeSupported)
        {
            // A development build on the JIT has threads before Main in which the signal cannot be blocked.
            _childHandler = PosixSignalRegistration.Create((PosixSignal)Signals.Child, _ => _loop.Post(_reaper.Sweep));
            return;
        }

        ChildSignal.Block();
        FinalizerThread.BlockChildSignal();
        _childSignal = ChildSignal.Open();
        _loop.Watch(_childSignal, IoInterest.Read, _ =>
        {
            ChildSignal.Drain(_childSignal);
            _reaper.Sweep();
        });
    }

    private FileDescriptor Listener()
    {
        var inherited = new FileDescriptor(InheritedListener);
        if (UnixSocket.IsListening(inherited))
        {
            Descriptors.SetNonBlocking(inherited, true);
            Descriptors.SetCloseOnExec(inherited);
            return inherited;
        }

        inherited.SetHandleAsInvalid();
        return _options.Socket.Length > 0
            ? UnixSocket.Listen(_options.Socket)
            : throw new UsageException("descriptor 3 is not a listening unix socket, and -socket is not given");
    }

    /// <summary>
    /// Our engine is the shim's parent. If it dies while there is no container yet, nobody will ever find this shim, so it ends.
    /// containerd's shims are started by a command that ends at once, and found by their address.
    /// </summary>
    private void WatchParent()
    {
        _parent = Pidfd.TryOpen(ParentProcess.Id);
        if (_parent is null || ParentProcess.Id == 1)
        {
            return;
        }

        IoWatch? watch = null;
        watch = _loop.Watch(_parent, IoInterest.None, _ =>
        {
            watch!.Dispose();
            _parentIsGone = true;
            StopIfAbandoned();
        });
        watch.Interest = IoInterest.Read;
    }

    private void StopIfAbandoned()
    {
        if (_parentIsGone && _tasks.IsEmpty && _server.ConnectionCount == 0)
        {
            _ = StopAsync();
        }
    }

    private void OnTasksChanged()
    {
        _memory.TrimSoon();
        StopIfAbandoned();
    }

    private async Task StopAsync()
    {
        if (_isStopping)
        {
            return;
        }

        _isStopping = true;
        _loop.Schedule(FlushWithin, _loop.Stop);
        await _events.FlushAsync();
        _loop.Post(_loop.Stop);
    }
}
