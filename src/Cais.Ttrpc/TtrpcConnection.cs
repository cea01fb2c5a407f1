using Cais.Linux;
using Cais.Linux.Io;
using Google.Protobuf;

namespace Cais.Ttrpc;

/// <summary>Frames in both directions over one socket on an event loop. Sends from any thread; frames are received on the loop's.</summary>
internal sealed class TtrpcConnection : IDisposable
{
    /// <summary>A peer that lets more than this pile up unread is cut off.</summary>
    private const int MaxUnsent = 16 << 20;

    private readonly Lock _gate = new();
    private readonly EventLoop _loop;
    private readonly FileDescriptor _socket;
    private readonly FrameDecoder _decoder;
    private readonly Action<Exception?> _onClosed;
    private readonly IoWatch _watch;
    private byte[] _unsent = [];
    private int _unsentStart;
    private int _unsentEnd;
    private bool _closed;

    /// <param name="loop">Serves the socket.</param>
    /// <param name="socket">Connected and non-blocking; taken over.</param>
    /// <param name="onFrame">Called on the loop thread for each frame.</param>
    /// <param name="onClosed">Called once on the loop thread when the connection is gone, with the reason unless the peer just closed it.</param>
    public TtrpcConnection(EventLoop loop, FileDescriptor socket, FrameHandler onFrame, Action<Exception?> onClosed)
    {
        _loop = loop;
        _socket = socket;
        _decoder = new FrameDecoder(onFrame);
        _onClosed = onClosed;
        _watch = loop.Watch(socket, IoInterest.None, OnReady);
    }

    /// <summary>Begins to receive. Apart from the constructor, so that the owner can finish its own.</summary>
    public void Open()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _watch.Interest = IoInterest.Read;
            }
        }
    }

    /// <summary>Sends one frame; what the socket does not take now is sent by the loop.</summary>
    /// <exception cref="TtrpcClosedException">The connection is gone.</exception>
    public void Send(uint stream, FrameType type, IMessage message)
    {
        var size = message.CalculateSize();
        if (size > FrameHeader.MaxPayload)
        {
            throw new TtrpcException(TtrpcStatusCode.ResourceExhausted, $"message of {size} bytes is longer than {FrameHeader.MaxPayload}");
        }

        var frame = new byte[FrameHeader.Size + size];
        new FrameHeader((uint)size, stream, type, 0).Write(frame);
        message.WriteTo(frame.AsSpan(FrameHeader.Size));
        lock (_gate)
        {
            if (_closed)
            {
                throw new TtrpcClosedException("the ttrpc connection is closed");
            }

            try
            {
                var sent = _unsentEnd > _unsentStart ? 0 : Push(frame);
                if (sent == frame.Length)
                {
                    return;
                }

                Keep(frame.AsSpan(sent));
                _watch.Interest = IoInterest.Read | IoInterest.Write;
            }
            catch (LinuxException e)
            {
                CloseLater(e);
                throw new TtrpcClosedException("the ttrpc connection is broken", e);
            }
        }
    }

    /// <summary>Closes. The closing callback still comes, on the loop thread.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            CloseLater(null);
        }
    }

    private void OnReady(IoReadiness readiness)
    {
        try
        {
            if (readiness.HasFlag(IoReadiness.Writable))
            {
                Flush();
            }

            if ((readiness & (IoReadiness.Readable | IoReadiness.HangUp | IoReadiness.Error)) != 0)
            {
                Receive();
            }
        }
        catch (LinuxException e)
        {
            Close(e);
        }
        catch (InvalidProtocolBufferException e)
        {
            Close(e);
        }
    }

    private void Receive()
    {
        var buffer = _loop.Scratch;
        int count;
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            count = Descriptors.TryRead(_socket, buffer);
        }

        if (count == 0)
        {
            Close(null);
        }
        else if (count > 0)
        {
            _decoder.Feed(buffer[..count]);
        }
    }

    private void Flush()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _unsentStart += Push(_unsent.AsSpan(_unsentStart.._unsentEnd));
            if (_unsentStart == _unsentEnd)
            {
                (_unsent, _unsentStart, _unsentEnd) = ([], 0, 0);
                _watch.Interest = IoInterest.Read;
            }
        }
    }

    private int Push(ReadOnlySpan<byte> data)
    {
        var sent = 0;
        while (sent < data.Length)
        {
            var count = UnixSocket.TrySend(_socket, data[sent..]);
            if (count == Descriptors.WouldBlock)
            {
                break;
            }

            sent += count;
        }

        return sent;
    }

    private void Keep(ReadOnlySpan<byte> data)
    {
        var waiting = _unsentEnd - _unsentStart;
        if (waiting + data.Length > MaxUnsent)
        {
            throw new LinuxException(Errno.ENOBUFS, "send to a ttrpc peer that reads nothing");
        }

        if (_unsentEnd + data.Length > _unsent.Length)
        {
            var larger = new byte[Math.Max(waiting + data.Length, Math.Min(waiting * 2, MaxUnsent))];
            _unsent.AsSpan(_unsentStart, waiting).CopyTo(larger);
            (_unsent, _unsentStart, _unsentEnd) = (larger, 0, waiting);
        }

        data.CopyTo(_unsent.AsSpan(_unsentEnd));
        _unsentEnd += data.Length;
    }

    private void CloseLater(Exception? reason)
    {
        if (CloseSocket())
        {
            _loop.Post(() => _onClosed(reason));
        }
    }

    private void Close(Exception? reason)
    {
        lock (_gate)
        {
            if (!CloseSocket())
            {
                return;
            }
        }

        _onClosed(reason);
    }

    private bool CloseSocket()
    {
        if (_closed)
        {
            return false;
        }

        _closed = true;
        _watch.Dispose();
        _socket.Dispose();
        return true;
    }
}
