namespace Cais.Linux.Io;

/// <summary>
/// Writes to a pipe, FIFO, socket or pseudo-terminal without blocking a thread: what does not fit waits for room on the loop. Owns the
/// descriptor, which must be non-blocking. Writes from several threads are taken whole, in order of arrival.
/// </summary>
public sealed class DescriptorWriter : IDisposable
{
    private readonly Lock _gate = new();
    private readonly EventLoop _loop;
    private readonly FileDescriptor _fd;
    private readonly Queue<Pending> _queue = new();
    private IoWatch? _watch;
    private Exception? _failure;
    private bool _completing;

    public DescriptorWriter(EventLoop loop, FileDescriptor fd)
    {
        _loop = loop;
        _fd = fd;
    }

    /// <summary>Completes when the kernel has all of <paramref name="data"/>: awaiting each write keeps memory bounded.</summary>
    /// <exception cref="LinuxException">EPIPE: the reader is gone. Every later write fails with the same.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; a part may have been written.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (_failure is not null)
            {
                return ValueTask.FromException(_failure);
            }

            ObjectDisposedException.ThrowIf(_completing, this);
            if (_queue.Count == 0)
            {
                try
                {
                    data = data[Push(data.Span)..];
                }
                catch (LinuxException e)
                {
                    Fail(e);
                    return ValueTask.FromException(e);
                }

                if (data.IsEmpty)
                {
                    return ValueTask.CompletedTask;
                }
            }

            var pending = new Pending(data);
            _queue.Enqueue(pending);
            WaitForRoom();
            return new ValueTask(pending.Completion(cancellation));
        }
    }

    /// <summary>Closes the descriptor once what was queued is written.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completing = true;
            if (_queue.Count == 0)
            {
                Close();
            }
        }
    }

    /// <summary>Closes at once; writes that still wait fail.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _completing = true;
            Fail(new ObjectDisposedException(nameof(DescriptorWriter)));
        }
    }

    private void OnReady()
    {
        lock (_gate)
        {
            if (_failure is not null)
            {
                return;
            }

            try
            {
                while (_queue.TryPeek(out var next))
                {
                    if (!next.IsAbandoned)
                    {
                        next.Rest = next.Rest[Push(next.Rest.Span)..];
                        if (!next.Rest.IsEmpty)
                        {
                            return;
                        }
                    }

                    _queue.Dequeue();
                    next.Done();
                }
            }
            catch (LinuxException e)
            {
                Fail(e);
                return;
            }

            if (_completing)
            {
                Close();
            }
            else
            {
                _watch!.Interest = IoInterest.None;
            }
        }
    }

    private int Push(ReadOnlySpan<byte> data)
    {
        var written = 0;
        while (written < data.Length)
        {
            var count = Descriptors.TryWrite(_fd, data[written..]);
            if (count == Descriptors.WouldBlock)
            {
                break;
            }

            written += count;
        }

        return written;
    }

    private void WaitForRoom()
    {
        _watch ??= _loop.Watch(_fd, IoInterest.None, _ => OnReady());
        _watch.Interest = IoInterest.Write;
    }

    private void Fail(Exception failure)
    {
        _failure ??= failure;
        Close();
        while (_queue.TryDequeue(out var pending))
        {
            pending.Fail(_failure);
        }
    }

    private void Close()
    {
        _watch?.Dispose();
        _fd.Dispose();
    }

    private sealed class Pending(ReadOnlyMemory<byte> data)
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private CancellationTokenRegistration _registration;

        public ReadOnlyMemory<byte> Rest { get; set; } = data;

        /// <summary>The writer has been told that this was cancelled and may have reused the memory.</summary>
        public bool IsAbandoned => _done.Task.IsCompleted;

        public Task Completion(CancellationToken cancellation)
        {
            _registration = cancellation.UnsafeRegister(
                static (state, token) => ((Pending)state!)._done.TrySetCanceled(token), this);
            return _done.Task;
        }

        public void Done()
        {
            _registration.Dispose();
            _done.TrySetResult();
        }

        public void Fail(Exception failure)
        {
            _registration.Dispose();
            _done.TrySetException(failure);
        }
    }
}
