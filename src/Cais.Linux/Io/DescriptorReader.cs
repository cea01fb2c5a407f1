namespace Cais.Linux.Io;

/// <summary>Takes bytes as they arrive. The span is the loop's own buffer and is gone when the handler returns.</summary>
/// <returns>False to hear nothing more until <see cref="DescriptorReader.Resume"/>.</returns>
public delegate bool DataHandler(ReadOnlySpan<byte> data);

/// <summary>Takes bytes out of a descriptor in a way of its own; answers as <see cref="Descriptors.TryRead"/>.</summary>
public delegate int ReadOperation(FileDescriptor fd, Span<byte> buffer);

/// <summary>
/// Reads a pipe, FIFO, socket or pseudo-terminal as data arrive, on the loop's thread and through the loop's one buffer: an idle stream
/// costs no memory. Owns the descriptor, which must be non-blocking.
/// </summary>
public sealed class DescriptorReader : IDisposable
{
    private readonly EventLoop _loop;
    private readonly FileDescriptor _fd;
    private readonly DataHandler _onData;
    private readonly Action<Exception?> _onEnd;
    private readonly IoWatch _watch;
    private readonly ReadOperation _read;
    private bool _polls;
    private bool _done;

    private DescriptorReader(EventLoop loop, FileDescriptor fd, DataHandler onData, Action<Exception?> onEnd, ReadOperation? read)
    {
        _read = read ?? Descriptors.TryRead;
        _loop = loop;
        _fd = fd;
        _onData = onData;
        _onEnd = onEnd;
        _watch = loop.Watch(fd, IoInterest.None, _ => ReadOnce());
    }

    /// <summary>Starts reading.</summary>
    /// <param name="loop">Runs the handlers.</param>
    /// <param name="fd">Taken over.</param>
    /// <param name="onData">Called with what was read.</param>
    /// <param name="onEnd">Called once: with null at the end of the stream, or with what went wrong. Not called after <see cref="Dispose"/>.</param>
    /// <param name="writerMayComeLater">
    /// For a FIFO: true waits for the first writer; false takes a FIFO without writers as ended, once what it still holds is read. The
    /// second is right for a FIFO whose writer may have come and gone before this process opened it.
    /// </param>
    /// <param name="read">How to read; null reads.</param>
    public static DescriptorReader Start(
        EventLoop loop, FileDescriptor fd, DataHandler onData, Action<Exception?> onEnd, bool writerMayComeLater = true, ReadOperation? read = null)
    {
        var reader = new DescriptorReader(loop, fd, onData, onEnd, read);
        // A FIFO whose writers had all gone before it was opened reports no hang-up, however long one waits: only reading it tells.
        reader._polls = !writerMayComeLater;
        loop.Post(reader.Continue);
        return reader;
    }

    /// <summary>Goes on after a handler returned false. Any thread.</summary>
    public void Resume() => _loop.Post(Continue);

    /// <summary>Stops and closes. On the loop thread no handler is called any more; elsewhere one may just be running.</summary>
    public void Dispose()
    {
        _done = true;
        _watch.Dispose();
        _fd.Dispose();
    }

    private void Continue()
    {
        if (_done)
        {
            return;
        }

        if (_polls)
        {
            _loop.Post(ReadOnce);
        }
        else
        {
            _watch.Interest = IoInterest.Read;
        }
    }

    private void ReadOnce()
    {
        if (_done)
        {
            return;
        }

        Exception? failure = null;
        try
        {
            var count = _read(_fd, _loop.Scratch);
            if (count > 0)
            {
                var more = _onData(_loop.Scratch[..count]);
                if (more)
                {
                    Continue();
                }
                else if (!_done)
                {
                    _watch.Interest = IoInterest.None;
                }

                return;
            }

            if (count == Descriptors.WouldBlock)
            {
                // There is a writer: its going will be reported.
                _polls = false;
                Continue();
                return;
            }
        }
        catch (LinuxException e) when (e.Errno == Errno.EIO)
        {
            // A pseudo-terminal whose last user has closed it says so by EIO.
        }
        catch (LinuxException e)
        {
            failure = e;
        }
        catch (ObjectDisposedException)
        {
            return;
        }

        Dispose();
        _onEnd(failure);
    }
}
