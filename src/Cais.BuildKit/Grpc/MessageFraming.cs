using System.Buffers;
using System.Buffers.Binary;
using Google.Protobuf;

namespace Cais.BuildKit.Grpc;

/// <summary>
/// Length-prefixed messages, as gRPC puts them into HTTP/2 bodies: one byte that tells of compression, four of length (big endian), the
/// message; see gRPC's doc/PROTOCOL-HTTP2.md. Compressed messages are refused: nobody who offers no compression gets any.
/// </summary>
internal static class MessageFraming
{
    public const int PrefixLength = 5;

    /// <summary>What BuildKit's own client and server allow.</summary>
    public const int LargestMessage = 16 << 20;

    public static void Write(IBufferWriter<byte> output, IMessage message)
    {
        var length = message.CalculateSize();
        var prefix = output.GetSpan(PrefixLength);
        prefix[0] = 0;
        BinaryPrimitives.WriteInt32BigEndian(prefix[1..], length);
        output.Advance(PrefixLength);
        message.WriteTo(output);
    }

    /// <summary>Takes one message off the front of a buffer, if it is there whole. Throws <see cref="GrpcException"/>.</summary>
    public static bool TryRead<T>(ref ReadOnlySequence<byte> buffer, MessageParser<T> parser, out T? message) where T : class, IMessage<T>
    {
        message = null;
        if (buffer.Length < PrefixLength)
        {
            return false;
        }

        Span<byte> prefix = stackalloc byte[PrefixLength];
        buffer.Slice(0, PrefixLength).CopyTo(prefix);
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        if (prefix[0] != 0)
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, "compressed messages are not supported");
        }

        if (length > LargestMessage)
        {
            throw new GrpcException(GrpcStatusCode.ResourceExhausted, $"received message larger than max ({length} vs. {LargestMessage})");
        }

        if (buffer.Length < PrefixLength + length)
        {
            return false;
        }

        try
        {
            message = parser.ParseFrom(buffer.Slice(PrefixLength, length));
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new GrpcException(GrpcStatusCode.Internal, $"failed to unmarshal the received message: {e.Message}", e);
        }

        buffer = buffer.Slice(PrefixLength + length);
        return true;
    }

    /// <summary><c>grpc-message</c> is percent-encoded: everything but printable ASCII, and the percent sign.</summary>
    public static string EncodeText(string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        var encoded = new System.Text.StringBuilder(bytes.Length);
        foreach (var b in bytes)
        {
            if (b is >= 0x20 and <= 0x7e and not (byte)'%')
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append(System.Globalization.CultureInfo.InvariantCulture, $"%{b:X2}");
            }
        }

        return encoded.ToString();
    }

    public static string DecodeText(string text) => text.Contains('%', StringComparison.Ordinal) ? Uri.UnescapeDataString(text) : text;
}
