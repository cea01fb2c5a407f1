using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Cais.Engine.Io;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace Cais.Engine.Logs.Files;

/// <summary>
/// The format of docker's local driver: a protobuf message <c>LogEntry</c> (moby, daemon/logger/internal/logdriver/entry.proto) with its length before and
/// behind it, each as four bytes in big endian, so that it can be read from either end.
/// </summary>
/// <param name="attributes">What goes into each entry's attributes.</param>
internal sealed class LocalFormat(IReadOnlyDictionary<string, string> attributes) : ILogFormat
{
    private const int LengthSize = 4;

    /// <summary>Far above a line of 16 KiB with any labels: a longer record is damage.</summary>
    private const int LargestMessage = 16 << 20;

    // Field numbers and wire types of entry.proto: (number << 3) | type.
    private const uint Source = (1 << 3) | 2;
    private const uint TimeNano = (2 << 3) | 0;
    private const uint Line = (3 << 3) | 2;
    private const uint Partial = (4 << 3) | 0;
    private const uint PartialMetadata = (5 << 3) | 2;
    private const uint Attribute = (6 << 3) | 2;
    private const uint PartialLast = (1 << 3) | 0;
    private const uint PartialId = (2 << 3) | 2;
    private const uint PartialOrdinal = (3 << 3) | 0;

    private readonly byte[] _attributes = Encode(attributes);

    public void Write(ArrayBufferWriter<byte> to, in LogLine line)
    {
        var text = line.WithoutNewline;
        var metadata = line.Piece is { } piece ? Encode(piece) : [];
        var source = line.Stream == StreamKind.Stderr ? "stderr"u8 : "stdout"u8;
        var nanoseconds = (line.Time - DateTimeOffset.UnixEpoch).Ticks * 100;
        var length = Size(source.Length) + 1 + CodedOutputStream.ComputeInt64Size(nanoseconds) + Size(text.Length)
            + (line.Piece is null ? 0 : 2 + Size(metadata.Length)) + _attributes.Length;
        var record = to.GetSpan(length + (2 * LengthSize));
        BinaryPrimitives.WriteInt32BigEndian(record, length);
        var at = LengthSize;
        Put(record, ref at, Source, source);
        Varint(record, ref at, TimeNano);
        Varint(record, ref at, (ulong)nanoseconds);
        Put(record, ref at, Line, text);
        if (line.Piece is not null)
        {
            Varint(record, ref at, Partial);
            Varint(record, ref at, 1);
            Put(record, ref at, PartialMetadata, metadata);
        }

        _attributes.CopyTo(record[at..]);
        BinaryPrimitives.WriteInt32BigEndian(record[(LengthSize + length)..], length);
        to.Advance(length + (2 * LengthSize));
    }

    public int LengthOf(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < LengthSize)
        {
            return 0;
        }

        var length = BinaryPrimitives.ReadInt32BigEndian(bytes);
        if (length is < 0 or > LargestMessage)
        {
            return ILogFormat.Damaged;
        }

        var whole = length + (2 * LengthSize);
        return bytes.Length < whole ? 0
            : BinaryPrimitives.ReadInt32BigEndian(bytes[(LengthSize + length)..]) == length ? whole
            : ILogFormat.Damaged;
    }

    public bool TryRead(ReadOnlySpan<byte> record, out LogEntry entry, out string? attributes)
    {
        entry = default;
        attributes = null;
        try
        {
            var input = new CodedInputStream(record[LengthSize..^LengthSize].ToArray());
            var stream = StreamKind.Stdout;
            var time = 0L;
            var text = ByteString.Empty;
            var (partial, last) = (false, false);
            StringBuilder? shown = null;
            for (uint tag; (tag = input.ReadTag()) != 0;)
            {
                switch (tag)
                {
                    case Source:
                        stream = input.ReadString() == "stderr" ? StreamKind.Stderr : StreamKind.Stdout;
                        break;
                    case TimeNano:
                        time = input.ReadInt64();
                        break;
                    case Line:
                        text = input.ReadBytes();
                        break;
                    case Partial:
                        partial = input.ReadBool();
                        break;
                    case PartialMetadata:
                        last = IsLast(input.ReadBytes());
                        break;
                    case Attribute:
                        var (key, value) = ReadAttribute(input.ReadBytes());
                        (shown ??= new()).Append(shown.Length > 0 ? "," : "").Append(key).Append('=').Append(value);
                        break;
                    default:
                        input.SkipLastField();
                        break;
                }
            }

            var newline = !partial || last;
            var line = new byte[text.Length + (newline ? 1 : 0)];
            text.CopyTo(line, 0);
            if (newline)
            {
                line[^1] = (byte)'\n';
            }

            entry = new LogEntry(DateTimeOffset.UnixEpoch.AddTicks(time / 100), stream, line);
            attributes = shown?.ToString();
            return true;
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or ArgumentOutOfRangeException)
        {
            return false;
        }
    }

    public long Count(Stream stream)
    {
        var length = new byte[LengthSize];
        var count = 0L;
        var scratch = new byte[32 << 10];
        while (stream.ReadAtLeast(length, LengthSize, throwOnEndOfStream: false) == LengthSize)
        {
            var rest = (long)BinaryPrimitives.ReadInt32BigEndian(length) + LengthSize;
            if (rest is < LengthSize or > LargestMessage)
            {
                break;
            }

            while (rest > 0 && stream.Read(scratch, 0, (int)Math.Min(rest, scratch.Length)) is > 0 and var read)
            {
                rest -= read;
            }

            if (rest > 0)
            {
                break;
            }

            count++;
        }

        return count;
    }

    public long WholeLength(SafeFileHandle file)
    {
        var size = RandomAccess.GetLength(file);
        if (size == 0 || (Length(file, size - LengthSize) is { } last && Length(file, size - last - (2 * LengthSize)) == last))
        {
            return size;
        }

        // The end is torn: the records before it are found from the beginning.
        var whole = 0L;
        while (Length(file, whole) is >= 0 and <= LargestMessage and var length && Length(file, whole + LengthSize + length) == length)
        {
            whole += length + (2 * LengthSize);
        }

        return whole;
    }

    private static int? Length(SafeFileHandle file, long at)
    {
        Span<byte> length = stackalloc byte[LengthSize];
        return at >= 0 && RandomAccess.Read(file, length, at) == LengthSize ? BinaryPrimitives.ReadInt32BigEndian(length) : null;
    }

    private static int Size(int payload) => 1 + CodedOutputStream.ComputeLengthSize(payload) + payload;

    private static void Put(Span<byte> to, ref int at, uint tag, ReadOnlySpan<byte> payload)
    {
        Varint(to, ref at, tag);
        Varint(to, ref at, (ulong)payload.Length);
        payload.CopyTo(to[at..]);
        at += payload.Length;
    }

    private static void Varint(Span<byte> to, ref int at, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            to[at++] = (byte)(value | 0x80);
        }

        to[at++] = (byte)value;
    }

    private static byte[] Encode(LinePiece piece)
    {
        var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            if (piece.Last)
            {
                output.WriteTag(PartialLast);
                output.WriteBool(true);
            }

            output.WriteTag(PartialId);
            output.WriteString(piece.Id);
            output.WriteTag(PartialOrdinal);
            output.WriteInt32(piece.Ordinal);
        }

        return buffer.ToArray();
    }

    private static byte[] Encode(IReadOnlyDictionary<string, string> attributes)
    {
        var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            foreach (var (key, value) in attributes.OrderBy(a => a.Key, StringComparer.Ordinal))
            {
                output.WriteTag(Attribute);
                output.WriteLength(2 + CodedOutputStream.ComputeStringSize(key) + CodedOutputStream.ComputeStringSize(value));
                output.WriteTag((1 << 3) | 2);
                output.WriteString(key);
                output.WriteTag((2 << 3) | 2);
                output.WriteString(value);
            }
        }

        return buffer.ToArray();
    }

    private static bool IsLast(ByteString metadata)
    {
        var input = metadata.CreateCodedInput();
        var last = false;
        for (uint tag; (tag = input.ReadTag()) != 0;)
        {
            if (tag == PartialLast)
            {
                last = input.ReadBool();
            }
            else
            {
                input.SkipLastField();
            }
        }

        return last;
    }

    private static (string Key, string Value) ReadAttribute(ByteString attribute)
    {
        var input = attribute.CreateCodedInput();
        var (key, value) = ("", "");
        for (uint tag; (tag = input.ReadTag()) != 0;)
        {
            switch (tag)
            {
                case (1 << 3) | 2:
                    key = input.ReadString();
                    break;
                case (2 << 3) | 2:
                    value = input.ReadString();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return (key, value);
    }
}
