namespace Cais.Ttrpc;

/// <summary>A whole frame, or with <paramref name="oversize"/> one whose payload is longer than allowed and is skipped.</summary>
internal delegate void FrameHandler(FrameHeader header, ReadOnlySpan<byte> payload, bool oversize);

/// <summary>
/// Cuts a byte stream into frames. Keeps memory only for a frame that has not arrived whole, and never more than what has arrived of
/// it: a header alone cannot make it allocate.
/// </summary>
internal sealed class FrameDecoder(FrameHandler onFrame)
{
    private byte[] _partial = [];
    private int _count;
    private long _skip;

    /// <summary>Takes the next bytes of the stream and hands out the frames that are complete.</summary>
    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_skip > 0)
            {
                var skipped = (int)Math.Min(_skip, bytes.Length);
                _skip -= skipped;
                bytes = bytes[skipped..];
            }
            else if (_count > 0)
            {
                bytes = FeedPartial(bytes);
            }
            else if (bytes.Length < FrameHeader.Size)
            {
                Append(bytes);
                return;
            }
            else
            {
                var header = FrameHeader.Read(bytes);
                if (header.Length > FrameHeader.MaxPayload)
                {
                    Skip(header);
                    bytes = bytes[FrameHeader.Size..];
                }
                else if (bytes.Length - FrameHeader.Size < header.Length)
                {
                    Append(bytes);
                    return;
                }
                else
                {
                    var end = FrameHeader.Size + (int)header.Length;
                    onFrame(header, bytes[FrameHeader.Size..end], false);
                    bytes = bytes[end..];
                }
            }
        }
    }

    private ReadOnlySpan<byte> FeedPartial(ReadOnlySpan<byte> bytes)
    {
        if (_count < FrameHeader.Size)
        {
            bytes = TakeUpTo(FrameHeader.Size, bytes);
            if (_count < FrameHeader.Size)
            {
                return bytes;
            }
        }

        var header = FrameHeader.Read(_partial);
        if (header.Length > FrameHeader.MaxPayload)
        {
            Forget();
            Skip(header);
            return bytes;
        }

        var whole = FrameHeader.Size + (int)header.Length;
        bytes = TakeUpTo(whole, bytes);
        if (_count == whole)
        {
            var frame = _partial;
            Forget();
            onFrame(header, frame.AsSpan(FrameHeader.Size..whole), false);
        }

        return bytes;
    }

    private ReadOnlySpan<byte> TakeUpTo(int count, ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(count - _count, bytes.Length);
        Append(bytes[..taken]);
        return bytes[taken..];
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        var needed = _count + bytes.Length;
        if (_partial.Length < needed)
        {
            Array.Resize(ref _partial, Math.Max(needed, Math.Min(_partial.Length * 2, FrameHeader.MaxPayload + FrameHeader.Size)));
        }

        bytes.CopyTo(_partial.AsSpan(_count));
        _count = needed;
    }

    private void Skip(FrameHeader header)
    {
        _skip = header.Length;
        onFrame(header, default, true);
    }

    private void Forget() => (_partial, _count) = ([], 0);
}
