using System.Buffers;
using System.Buffers.Binary;

namespace Cais.BuildKit.Grpc;

/// <summary>
/// What an HTTP/2 client sends, with one correction. gRPC metadata may have one name several times, and each value is a value of its own;
/// .NET's client joins them with commas, and a pattern may have commas of its own. So several values are given to .NET as one that has
/// <see cref="Separator"/> between them, and this stream makes header fields of their own of them again, in the HEADERS frames on their way out
/// (RFC 9113, 6.2). .NET writes header blocks without Huffman codes and without the dynamic table, so that no state is disturbed.
/// </summary>
internal sealed class MultiValueHeaderStream(Stream inner) : Stream
{
    /// <summary>A character that no header value has but that .NET lets pass.</summary>
    public const char Separator = '\x01';

    private const int FrameHeaderLength = 9;
    private const int LargestFrame = 16384;
    private const int PrefaceLength = 24;
    private const byte HeadersType = 1;
    private const byte ContinuationType = 9;
    private const byte EndHeaders = 4;
    private const byte Padded = 8;
    private const byte Priority = 0x20;

    private readonly ArrayBufferWriter<byte> _pending = new();
    private int _prefaceLeft = PrefaceLength;
    private int _payloadLeft;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // Mostly data: whole frames of it pass as they are.
        if (_pending.WrittenCount == 0 && PassesAsIs(buffer.Span))
        {
            return inner.WriteAsync(buffer, cancellationToken);
        }

        return WriteCorrectedAsync(buffer, cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Whether a write has no header frame in it. Keeps count of frames when that is so.</summary>
    private bool PassesAsIs(ReadOnlySpan<byte> data)
    {
        var (preface, payload) = (_prefaceLeft, _payloadLeft);
        while (true)
        {
            var skip = Math.Min(preface + payload, data.Length);
            var ofPreface = Math.Min(preface, skip);
            (preface, payload) = (preface - ofPreface, payload - (skip - ofPreface));
            data = data[skip..];
            if (data.IsEmpty)
            {
                (_prefaceLeft, _payloadLeft) = (preface, payload);
                return true;
            }

            if (data.Length < FrameHeaderLength || data[3] is HeadersType or ContinuationType)
            {
                return false;
            }

            payload = LengthOf(data);
            data = data[FrameHeaderLength..];
        }
    }

    private async ValueTask WriteCorrectedAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        _pending.Write(buffer.Span);
        var output = new ArrayBufferWriter<byte>(_pending.WrittenCount + 256);
        Correct(output);
        if (output.WrittenCount > 0)
        {
            await inner.WriteAsync(output.WrittenMemory, cancellation);
        }
    }

    /// <summary>Moves everything that is whole from the pending bytes to the output.</summary>
    private void Correct(ArrayBufferWriter<byte> output)
    {
        var data = _pending.WrittenSpan;
        while (!data.IsEmpty)
        {
            var skip = Math.Min(_prefaceLeft + _payloadLeft, data.Length);
            output.Write(data[..skip]);
            var ofPreface = Math.Min(_prefaceLeft, skip);
            _prefaceLeft -= ofPreface;
            _payloadLeft -= skip - ofPreface;
            data = data[skip..];
            if (data.Length < FrameHeaderLength)
            {
                break;
            }

            if (data[3] != HeadersType)
            {
                _payloadLeft = LengthOf(data);
                output.Write(data[..FrameHeaderLength]);
                data = data[FrameHeaderLength..];
                continue;
            }

            if (!TryCorrectHeaders(ref data, output))
            {
                break;
            }
        }

        var rest = data.ToArray();
        _pending.ResetWrittenCount();
        _pending.Write(rest);
    }

    /// <summary>A HEADERS frame and its continuations, if they are all there.</summary>
    private static bool TryCorrectHeaders(ref ReadOnlySpan<byte> data, ArrayBufferWriter<byte> output)
    {
        var flags = data[4];
        if ((flags & (Padded | Priority)) != 0)
        {
            throw new InvalidOperationException("the HTTP client pads its headers or gives them a priority");
        }

        var stream = BinaryPrimitives.ReadUInt32BigEndian(data[5..]);
        var block = new ArrayBufferWriter<byte>();
        var at = 0;
        while (true)
        {
            if (data.Length - at < FrameHeaderLength || data.Length - at < FrameHeaderLength + LengthOf(data[at..]))
            {
                return false;
            }

            var frame = data.Slice(at, FrameHeaderLength + LengthOf(data[at..]));
            block.Write(frame[FrameHeaderLength..]);
            at += frame.Length;
            if ((frame[4] & EndHeaders) != 0)
            {
                break;
            }
        }

        data = data[at..];
        var corrected = new ArrayBufferWriter<byte>(block.WrittenCount + 64);
        SplitFields(block.WrittenSpan, corrected);
        var left = corrected.WrittenSpan;
        var type = HeadersType;
        do
        {
            var part = left[..Math.Min(left.Length, LargestFrame)];
            left = left[part.Length..];
            var head = output.GetSpan(FrameHeaderLength);
            head[0] = (byte)(part.Length >> 16);
            head[1] = (byte)(part.Length >> 8);
            head[2] = (byte)part.Length;
            head[3] = type;
            head[4] = (byte)((type == HeadersType ? flags & ~EndHeaders : 0) | (left.IsEmpty ? EndHeaders : 0));
            BinaryPrimitives.WriteUInt32BigEndian(head[5..], stream);
            output.Advance(FrameHeaderLength);
            output.Write(part);
            type = ContinuationType;
        }
        while (!left.IsEmpty);
        return true;
    }

    /// <summary>A header block (RFC 7541, 6) with fields of several values taken apart.</summary>
    internal static void SplitFields(ReadOnlySpan<byte> block, IBufferWriter<byte> output)
    {
        while (!block.IsEmpty)
        {
            var begin = block;
            var first = block[0];
            if ((first & 0x80) != 0)
            {
                ReadInteger(ref block, 7);
                output.Write(begin[..(begin.Length - block.Length)]);
                continue;
            }

            if ((first & 0xe0) == 0x20)
            {
                ReadInteger(ref block, 5);
                output.Write(begin[..(begin.Length - block.Length)]);
                continue;
            }

            var index = ReadInteger(ref block, (first & 0x40) != 0 ? 6 : 4);
            if (index == 0)
            {
                ReadString(ref block, out _);
            }

            var name = begin[..(begin.Length - block.Length)];
            var value = ReadString(ref block, out var isPlain);
            if (!isPlain || value.IndexOf((byte)Separator) < 0)
            {
                output.Write(begin[..(begin.Length - block.Length)]);
                continue;
            }

            foreach (var range in value.Split((byte)Separator))
            {
                output.Write(name);
                WriteInteger(output, value[range].Length, 7);
                output.Write(value[range]);
            }
        }
    }

    private static ReadOnlySpan<byte> ReadString(ref ReadOnlySpan<byte> block, out bool isPlain)
    {
        isPlain = (block[0] & 0x80) == 0;
        var length = ReadInteger(ref block, 7);
        var text = block[..length];
        block = block[length..];
        return text;
    }

    /// <summary>An integer with a prefix of so many bits (RFC 7541, 5.1).</summary>
    private static int ReadInteger(ref ReadOnlySpan<byte> block, int prefixBits)
    {
        var largest = (1 << prefixBits) - 1;
        var value = block[0] & largest;
        block = block[1..];
        if (value < largest)
        {
            return value;
        }

        for (var shift = 0; ; shift += 7)
        {
            var b = block[0];
            block = block[1..];
            value = checked(value + ((b & 0x7f) << shift));
            if ((b & 0x80) == 0)
            {
                return value;
            }
        }
    }

    private static void WriteInteger(IBufferWriter<byte> output, int value, int prefixBits)
    {
        var largest = (1 << prefixBits) - 1;
        if (value < largest)
        {
            output.Write([(byte)value]);
            return;
        }

        output.Write([(byte)largest]);
        for (value -= largest; value >= 0x80; value >>= 7)
        {
            output.Write([(byte)(value | 0x80)]);
        }

        output.Write([(byte)value]);
    }

    private static int LengthOf(ReadOnlySpan<byte> frame) => (frame[0] << 16) | (frame[1] << 8) | frame[2];
}
