using System.Buffers;
using System.Buffers.Binary;

namespace Cais.Engine.Io;

/// <summary>Which of a process's streams bytes belong to; the numbers are those of the multiplexed stream's frames.</summary>
public enum StreamKind : byte
{
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,

    /// <summary>The engine's own words, when something fails after the stream has begun.</summary>
    SystemError = 3,
}

/// <summary>
/// Docker's multiplexed stream (Engine API, "Attach to a container", stream format): a header of eight bytes, the stream's number, three
/// zeros and the payload's length in big endian, then the payload.
/// </summary>
public static class Frame
{
    public const int HeaderSize = 8;

    public static void Write(IBufferWriter<byte> to, StreamKind stream, ReadOnlySpan<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(to);
        WriteHeader(to.GetSpan(HeaderSize), stream, payload.Length);
        to.Advance(HeaderSize);
        to.Write(payload);
    }

    public static void WriteHeader(Span<byte> to, StreamKind stream, int length)
    {
        to[0] = (byte)stream;
        to[1] = to[2] = to[3] = 0;
        BinaryPrimitives.WriteInt32BigEndian(to[4..], length);
    }
}
