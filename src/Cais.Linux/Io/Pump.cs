using System.Buffers;

namespace Cais.Linux.Io;

/// <summary>
/// Copies from one descriptor to another on the loop's thread until the source ends. At most one buffer is in flight: while the
/// destination takes nothing, nothing is read. Between pipes and other descriptors the kernel moves the bytes itself (splice).
/// </summary>
/// <remarks>
/// Owns both descriptors, which must be non-blocking (regular files as destinations are fine), and closes both at the end; for the two
/// directions of a terminal or socket give each pump a duplicate (<see cref="Descriptors.Duplicate"/>).
/// </remarks>
public sealed class Pump : IDisposable
{
    private const int Chunk = 64 * 1024;

    private readonly EventLoop _loop;
    private readonly FileDescriptor _from;
    private readonly FileDescriptor _to;
    private readonly Action<Exception?> _onEnd;
    private readonly IoWatch _source;
    private IoWatch? _room;
    private byte[]? _rest;
    private int _restStart;
    private int _restEnd;
    private bool _splices;
    private bool _endsWhenIdle;
    private bool _done;

    private Pump(EventLoop loop, FileDescriptor from, FileDescriptor to, Action<Exception?> onEnd)
    {
        _loop = loop;
        _from = from;
        _to = to;
        _onEnd = onEnd;
        _splices = Descriptors.IsPipe(from) || Descriptors.IsPipe(to);
        _source = loop.Watch(from, IoInterest.Read, _ => Guarded(() =>
        {
            Move();
            EndIfIdle();
        }));
    }

    /// <summary>Bytes moved so far.</summary>
    public long Count { get; private set; }

    /// <summary>Starts copying.</summary>
    /// <param name="loop">Runs it.</param>
    /// <param name="from">Source; taken over.</param>
    /// <param name="to">Destination; taken over.</param>
    /// <param name="onEnd">
    /// Called once on the loop thread: with null when the source has ended and all is written, or with what went wrong (EPIPE: nobody
    /// reads). Not called after <see cref="Dispose"/>.
    /// </param>
    public static Pump Start(EventLoop loop, FileDescriptor from, FileDescriptor to, Action<Exception?> onEnd) =>
        new(loop, from, to, onEnd);

    /// <summary>Ends, as if the source had, once what the source holds now is written. Loop thread only.</summary>
    public void EndWhenIdle()
    {
        _endsWhenIdle = true;
        EndIfIdle();
    }

    /// <summary>Stops and closes both descriptors; bytes read and not yet written are dropped. Loop thread only.</summary>
    public void Dispose()
    {
        if (_done)
        {
            return;
        }

        _done = true;
        _source.Dispose();
        _room?.Dispose();
        _from.Dispose();
        _to.Dispose();
        ReturnRest();
    }

    private void Guarded(Action step)
    {
        try
        {
            step();
        }
        catch (LinuxException e)
        {
            Dispose();
            _onEnd(e);
        }
    }

    private void Move()
    {
        if (_done)
        {
            return;
        }

        if (_splices && TrySplice())
        {
            return;
        }

        var buffer = _loop.Scratch;
        var count = ReadSource(buffer);
        if (count == 0)
        {
            End();
            return;
        }

        var written = 0;
        while (written < count)
        {
            var n = Descriptors.TryWrite(_to, buffer[written..count]);
            if (n == Descriptors.WouldBlock)
            {
                Keep(buffer[written..count]);
                break;
            }

            written += n;
            Count += n;
        }
    }

    /// <summary>False: this pair cannot be spliced, copy instead.</summary>
    private bool TrySplice()
    {
        int count;
        try
        {
            count = Pipe.TrySplice(_from, _to, Chunk);
        }
        catch (LinuxException e) when (e.Errno is Errno.EINVAL or Errno.EBADF)
        {
            _splices = false;
            return false;
        }
        catch (LinuxException e) when (e.Errno == Errno.EIO)
        {
            // A pseudo-terminal whose last user has closed it.
            count = 0;
        }

        if (count == 0)
        {
            End();
        }
        else if (count > 0)
        {
            Count += count;
        }
        else if (Descriptors.IsReady(_from, IoCalls.POLLIN))
        {
            WaitForRoom();
        }

        return true;
    }

    private int ReadSource(Span<byte> buffer)
    {
        try
        {
            return Descriptors.TryRead(_from, buffer);
        }
        catch (LinuxException e) when (e.Errno == Errno.EIO)
        {
            return 0;
        }
    }

    private void Keep(ReadOnlySpan<byte> rest)
    {
        _rest = ArrayPool<byte>.Shared.Rent(rest.Length);
        rest.CopyTo(_rest);
        (_restStart, _restEnd) = (0, rest.Length);
        WaitForRoom();
    }

    private void WaitForRoom()
    {
        _source.Interest = IoInterest.None;
        _room ??= _loop.Watch(_to, IoInterest.None, _ => Guarded(OnRoom));
        _room.Interest = IoInterest.Write;
    }

    private void OnRoom()
    {
        while (_restStart < _restEnd)
        {
            var count = Descriptors.TryWrite(_to, _rest.AsSpan(_restStart.._restEnd));
            if (count == Descriptors.WouldBlock)
            {
                return;
            }

            _restStart += count;
            Count += count;
        }

        ReturnRest();
        _room!.Interest = IoInterest.None;
        _source.Interest = IoInterest.Read;
        EndIfIdle();
    }

    private void EndIfIdle()
    {
        if (_endsWhenIdle && !_done && _rest is null && _source.Interest == IoInterest.Read && !Descriptors.IsReady(_from, IoCalls.POLLIN))
        {
            End();
        }
    }

    private void ReturnRest()
    {
        if (_rest is not null)
        {
            ArrayPool<byte>.Shared.Return(_rest);
            _rest = null;
        }
    }

    private void End()
    {
        Dispose();
        _onEnd(null);
    }
}
