namespace Cais.Linux.Io;

/// <summary>
/// One thread that serves thousands of descriptors through epoll(7). Readiness callbacks, timers and posted actions all run on that
/// thread, one at a time and never at once: state that only they touch needs no lock. They must not block.
/// </summary>
/// <remarks>
/// Level-triggered: a callback that leaves data unread is called again, so it may stop at any point. To stop being called
/// (back-pressure), set <see cref="IoWatch.Interest"/> to <see cref="IoInterest.None"/>.
/// Watches, timers and posts may be made and disposed from any thread.
/// </remarks>
public sealed unsafe class EventLoop : IDisposable
{
    private const int EventBatch = 64;
    private const int ScratchSize = 64 * 1024;

    private readonly Lock _gate = new();
    private readonly FileDescriptor _epoll;
    private readonly FileDescriptor _wake;
    private readonly Action<Exception>? _onError;
    private readonly List<IoWatch?> _watches = [null];
    private readonly Stack<int> _freeSlots = new();
    private readonly PriorityQueue<LoopTimer, long> _timers = new();
    private List<Action> _posted = [];
    private List<Action> _running = [];
    private uint _generation;
    private byte[]? _scratch;
    private Thread? _thread;
    private int _loopThreadId;
    private bool _woken;
    private volatile bool _stopping;

    /// <summary>Makes a loop that does nothing until <see cref="Run"/> is called on the thread that is to serve it.</summary>
    /// <param name="onError">
    /// Told of an exception that escaped from a callback, whose watch is then closed; the loop goes on. Without it the exception
    /// leaves <see cref="Run"/>.
    /// </param>
    public EventLoop(Action<Exception>? onError = null)
    {
        _onError = onError;
        _epoll = Own(IoCalls.epoll_create1(IoCalls.O_CLOEXEC), "epoll_create1");
        _wake = Own(IoCalls.eventfd(0, IoCalls.O_CLOEXEC | IoCalls.O_NONBLOCK), "eventfd");
        Control(IoCalls.EPOLL_CTL_ADD, _wake, (uint)IoInterest.Read, 0);
    }

    /// <summary>Starts a loop on a background thread of its own.</summary>
    public static EventLoop Start(string name = "io", Action<Exception>? onError = null)
    {
        var loop = new EventLoop(onError);
        loop._thread = new Thread(loop.Run, maxStackSize: 512 * 1024) { Name = name, IsBackground = true };
        loop._thread.Start();
        return loop;
    }

    /// <summary>Whether the caller is a callback of this loop.</summary>
    public bool IsLoopThread => Environment.CurrentManagedThreadId == _loopThreadId;

    /// <summary>A buffer for one callback's reading, shared by all: its content is lost when the callback returns. Loop thread only.</summary>
    public Span<byte> Scratch => _scratch ??= GC.AllocateUninitializedArray<byte>(ScratchSize);

    /// <summary>Lets go of the shared buffer; the next use makes a new one. For a process that is about to be idle for long. Loop thread only.</summary>
    public void TrimScratch() => _scratch = null;

    /// <summary>
    /// Calls <paramref name="onReady"/> whenever <paramref name="fd"/> is ready. The descriptor stays the caller's, who disposes of the
    /// watch before closing it. A descriptor has at most one watch a loop.
    /// </summary>
    /// <exception cref="LinuxException">The kernel cannot poll it (EPERM: a regular file) or it is already watched (EEXIST).</exception>
    public IoWatch Watch(FileDescriptor fd, IoInterest interest, Action<IoReadiness> onReady)
    {
        lock (_gate)
        {
            if (!_freeSlots.TryPop(out var slot))
            {
                slot = _watches.Count;
                _watches.Add(null);
            }

            var watch = new IoWatch(this, fd, slot, ++_generation, onReady);
            try
            {
                watch.Apply(interest);
            }
            catch
            {
                _freeSlots.Push(slot);
                throw;
            }

            _watches[slot] = watch;
            return watch;
        }
    }

    /// <summary>Runs <paramref name="action"/> on the loop thread, after what was posted before.</summary>
    public void Post(Action action)
    {
        lock (_gate)
        {
            _posted.Add(action);
            Wake();
        }
    }

    /// <summary>Runs <paramref name="action"/> on the loop thread once <paramref name="delay"/> has passed, unless the timer is disposed first.</summary>
    public LoopTimer Schedule(TimeSpan delay, Action action)
    {
        var due = Environment.TickCount64 + Math.Max(0, (long)Math.Ceiling(delay.TotalMilliseconds));
        var timer = new LoopTimer(action);
        lock (_gate)
        {
            _timers.Enqueue(timer, due);
            Wake();
        }

        return timer;
    }

    /// <summary>Serves on the calling thread until <see cref="Stop"/>.</summary>
    public void Run()
    {
        _loopThreadId = Environment.CurrentManagedThreadId;
        // struct epoll_event is packed on x86-64 (12 bytes, data at 4) and aligned elsewhere (16 bytes, data at 8).
        var stride = IoCalls.IsArm64 ? 16 : 12;
        var dataOffset = IoCalls.IsArm64 ? 8 : 4;
        var events = stackalloc byte[EventBatch * 16];
        while (!_stopping)
        {
            var count = IoCalls.epoll_wait(_epoll, events, EventBatch, NextTimeout());
            if (count < 0)
            {
                if (IoCalls.LastError == Errno.EINTR)
                {
                    continue;
                }

                throw new LinuxException(IoCalls.LastError, "epoll_wait");
            }

            for (var i = 0; i < count && !_stopping; i++)
            {
                var readiness = *(uint*)(events + (i * stride));
                var data = *(ulong*)(events + (i * stride) + dataOffset);
                Dispatch(data, (IoReadiness)readiness);
            }

            RunPosted();
            RunTimers();
        }
    }

    /// <summary>Ends <see cref="Run"/> after the callback that is running now. What was posted and not yet run is dropped.</summary>
    public void Stop()
    {
        _stopping = true;
        lock (_gate)
        {
            _woken = false;
            Wake();
        }
    }

    /// <summary>Stops the loop, waits for its own thread if it has one, and closes it. Watched descriptors stay open: they are their owners'.</summary>
    public void Dispose()
    {
        Stop();
        if (!IsLoopThread)
        {
            _thread?.Join();
        }

        lock (_gate)
        {
            _epoll.Dispose();
            _wake.Dispose();
        }
    }

    internal void Control(int operation, FileDescriptor fd, uint interest, ulong data)
    {
        var memory = stackalloc byte[16];
        *(uint*)memory = interest;
        *(ulong*)(memory + (IoCalls.IsArm64 ? 8 : 4)) = data;
        if (IoCalls.epoll_ctl(_epoll, operation, fd, memory) < 0)
        {
            throw new LinuxException(IoCalls.LastError, $"epoll_ctl on descriptor {fd.Number}");
        }
    }

    internal void Change(IoWatch watch, IoInterest interest)
    {
        lock (_gate)
        {
            if (_watches[watch.Slot] == watch && !_epoll.IsClosed)
            {
                watch.Apply(interest);
            }
        }
    }

    internal void Remove(IoWatch watch)
    {
        lock (_gate)
        {
            if (_watches[watch.Slot] != watch)
            {
                return;
            }

            _watches[watch.Slot] = null;
            _freeSlots.Push(watch.Slot);
            if (!_epoll.IsClosed)
            {
                watch.Apply(IoInterest.None);
            }
        }
    }

    internal static FileDescriptor Own(int fd, string operation) =>
        fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException(IoCalls.LastError, operation);

    private void Dispatch(ulong data, IoReadiness readiness)
    {
        if (data == 0)
        {
            ulong counter;
            _ = IoCalls.read(_wake, &counter, sizeof(ulong));
            return;
        }

        IoWatch? watch;
        lock (_gate)
        {
            // The batch may name a descriptor that an earlier callback of the same batch has closed: its generation tells.
            watch = _watches[(int)(uint)data];
            if (watch is null || watch.Generation != (uint)(data >> 32))
            {
                return;
            }
        }

        try
        {
            watch.OnReady(readiness);
        }
        catch (Exception e) when (_onError is not null)
        {
            watch.Dispose();
            _onError(e);
        }
    }

    private void RunPosted()
    {
        lock (_gate)
        {
            _woken = false;
            if (_posted.Count == 0)
            {
                return;
            }

            (_posted, _running) = (_running, _posted);
        }

        foreach (var action in _running)
        {
            Guard(action);
        }

        _running.Clear();
    }

    private void RunTimers()
    {
        while (true)
        {
            LoopTimer timer;
            lock (_gate)
            {
                if (!_timers.TryPeek(out timer!, out var due) || (due > Environment.TickCount64 && !timer.IsDisposed))
                {
                    return;
                }

                _timers.Dequeue();
            }

            if (timer.Take() is { } action)
            {
                Guard(action);
            }
        }
    }

    private void Guard(Action action)
    {
        if (_stopping)
        {
            return;
        }

        try
        {
            action();
        }
        catch (Exception e) when (_onError is not null)
        {
            _onError(e);
        }
    }

    private int NextTimeout()
    {
        lock (_gate)
        {
            if (_posted.Count > 0)
            {
                return 0;
            }

            return _timers.TryPeek(out _, out var due) ? (int)Math.Clamp(due - Environment.TickCount64, 0, int.MaxValue) : -1;
        }
    }

    /// <summary>Makes epoll_wait return, at the price of one system call however many posts there are. Under the lock.</summary>
    private void Wake()
    {
        if (_woken || (IsLoopThread && !_stopping) || _wake.IsClosed)
        {
            return;
        }

        _woken = true;
        ulong one = 1;
        _ = IoCalls.write(_wake, &one, sizeof(ulong));
    }
}
