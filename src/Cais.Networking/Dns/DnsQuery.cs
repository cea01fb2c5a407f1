using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Cais.Networking.Dns;

/// <summary>RFC 1035 record types that the server answers itself.</summary>
internal enum DnsType : ushort
{
    A = 1,
    Ptr = 12,
    Aaaa = 28,
}

/// <summary>RFC 1035 response codes.</summary>
internal enum DnsCode : byte
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// <summary>
/// A query as it arrived (RFC 1035 section 4, RFC 6891), taken apart as far as needed to answer it or to know that it is somebody else's to
/// answer. Written by a container, so believed in nothing.
/// </summary>
internal sealed class DnsQuery
{
    private const int HeaderLength = 12;
    private const int LongestName = 255;
    private const ushort Internet = 1;
    private const ushort OptType = 41;
    private readonly byte[] _message;
    private readonly int _questionEnd;

    private DnsQuery(byte[] message, string name, DnsType type, int questionEnd, int payloadSize, bool hasOpt)
    {
        _message = message;
        Name = name;
        Type = type;
        _questionEnd = questionEnd;
        PayloadSize = payloadSize;
        HasOpt = hasOpt;
    }

    /// <summary>The name asked for: lower case, without the last dot.</summary>
    public string Name { get; }

    public DnsType Type { get; }

    /// <summary>The longest answer over UDP that the asker takes, in bytes.</summary>
    public int PayloadSize { get; }

    public ReadOnlyMemory<byte> Message => _message;

    public ushort Id => BinaryPrimitives.ReadUInt16BigEndian(_message);

    private bool HasOpt { get; }

    /// <summary>Reads a query; when it cannot be, gives the error answer to send, or null when not even that makes sense.</summary>
    public static DnsQuery? Parse(ReadOnlySpan<byte> bytes, out byte[]? error)
    {
        error = null;
        if (bytes.Length < HeaderLength || (bytes[2] & 0x80) != 0)
        {
            return null;
        }

        if ((bytes[2] & 0x78) != 0)
        {
            error = BareError(bytes, DnsCode.NotImplemented);
            return null;
        }

        var offset = HeaderLength;
        if (BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]) != 1 || !TryReadName(bytes, ref offset, out var name) || offset + 4 > bytes.Length ||
            BinaryPrimitives.ReadUInt16BigEndian(bytes[(offset + 2)..]) != Internet)
        {
            error = BareError(bytes, DnsCode.FormatError);
            return null;
        }

        var type = (DnsType)BinaryPrimitives.ReadUInt16BigEndian(bytes[offset..]);
        offset += 4;
        var (size, opt) = ReadOpt(bytes, offset);
        return new DnsQuery(bytes.ToArray(), name, type, offset, size, opt);
    }

    /// <summary>Builds an answer.</summary>
    /// <param name="code">The response code.</param>
    /// <param name="data">Record data, all of the type asked for.</param>
    /// <param name="timeToLive">In seconds.</param>
    /// <param name="limit">Longest message, in bytes: what does not fit is left out and marked as truncated.</param>
    public byte[] Answer(DnsCode code, IReadOnlyList<byte[]> data, uint timeToLive, int limit)
    {
        var optLength = HasOpt ? 11 : 0;
        var length = _questionEnd + optLength;
        var fitting = 0;
        while (fitting < data.Count && length + 12 + data[fitting].Length <= limit)
        {
            length += 12 + data[fitting].Length;
            fitting++;
        }

        var answer = new byte[length];
        _message.AsSpan(0, _questionEnd).CopyTo(answer);
        SetFlags(answer, _message, code, truncated: fitting < data.Count);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(6), (ushort)fitting);
        answer.AsSpan(8, 4).Clear();
        var offset = _questionEnd;
        for (var i = 0; i < fitting; i++)
        {
            var record = answer.AsSpan(offset);
            BinaryPrimitives.WriteUInt16BigEndian(record, 0xc000 | HeaderLength);
            BinaryPrimitives.WriteUInt16BigEndian(record[2..], (ushort)Type);
            BinaryPrimitives.WriteUInt16BigEndian(record[4..], Internet);
            BinaryPrimitives.WriteUInt32BigEndian(record[6..], timeToLive);
            BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)data[i].Length);
            data[i].CopyTo(record[12..]);
            offset += 12 + data[i].Length;
        }

        if (HasOpt)
        {
            answer[11] = 1;
            BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(offset + 1), OptType);
            BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(offset + 3), 1232);
        }

        return answer;
    }

    /// <summary>Whether a reply from another server is one to this query as it was sent on, under another identifier.</summary>
    public bool IsAnsweredBy(ReadOnlySpan<byte> reply, ushort id)
    {
        // The question must come back as it was sent; names may come back in other case.
        if (reply.Length < _questionEnd || BinaryPrimitives.ReadUInt16BigEndian(reply) != id || (reply[2] & 0x80) == 0 ||
            BinaryPrimitives.ReadUInt16BigEndian(reply[4..]) != 1)
        {
            return false;
        }

        return Ascii.EqualsIgnoreCase(reply[HeaderLength.._questionEnd], _message.AsSpan(HeaderLength, _questionEnd - HeaderLength)) ||
            reply[HeaderLength.._questionEnd].SequenceEqual(_message.AsSpan(HeaderLength, _questionEnd - HeaderLength));
    }

    /// <summary>A name as record data, or null when it is none.</summary>
    public static byte[]? EncodeName(string name)
    {
        var bytes = new List<byte>(name.Length + 2);
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            var encoded = Encoding.UTF8.GetBytes(label);
            if (encoded.Length > 63)
            {
                return null;
            }

            bytes.Add((byte)encoded.Length);
            bytes.AddRange(encoded);
        }

        bytes.Add(0);
        return bytes.Count <= LongestName ? [.. bytes] : null;
    }

    /// <summary>The address that a reverse name (<c>2.0.17.172.in-addr.arpa</c>) asks about, or null.</summary>
    public static IPAddress? ReverseAddress(string name)
    {
        const string v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
        if (name.EndsWith(v4, StringComparison.Ordinal))
        {
            var parts = name[..^v4.Length].Split('.');
            var bytes = new byte[4];
            return parts.Length == 4 && parts.Select((p, i) => byte.TryParse(p, out bytes[3 - i])).All(ok => ok) ? new IPAddress(bytes) : null;
        }

        if (name.EndsWith(v6, StringComparison.Ordinal))
        {
            var digits = name[..^v6.Length].Split('.');
            return digits.Length == 32 && digits.All(d => d.Length == 1 && char.IsAsciiHexDigit(d[0]))
                ? new IPAddress(Convert.FromHexString(string.Concat(digits.Reverse())))
                : null;
        }

        return null;
    }

    private static byte[] BareError(ReadOnlySpan<byte> query, DnsCode code)
    {
        var answer = new byte[HeaderLength];
        query[..2].CopyTo(answer);
        SetFlags(answer, query, code, truncated: false);
        return answer;
    }

    private static void SetFlags(Span<byte> answer, ReadOnlySpan<byte> query, DnsCode code, bool truncated)
    {
        const byte response = 0x80, truncation = 0x02, recursionDesired = 0x01, recursionAvailable = 0x80;
        answer[2] = (byte)(response | (truncated ? truncation : 0) | (query[2] & recursionDesired));
        answer[3] = (byte)(recursionAvailable | (byte)code);
    }

    /// <summary>The asker's limit for UDP from an OPT record that comes first among the additional ones; 512 without.</summary>
    private static (int Size, bool HasOpt) ReadOpt(ReadOnlySpan<byte> bytes, int offset)
    {
        const int smallest = 512, largest = 4096;
        var nothingBetween = BinaryPrimitives.ReadUInt32BigEndian(bytes[6..]) == 0;
        return nothingBetween && BinaryPrimitives.ReadUInt16BigEndian(bytes[10..]) > 0 && bytes.Length >= offset + 11 && bytes[offset] == 0 &&
            BinaryPrimitives.ReadUInt16BigEndian(bytes[(offset + 1)..]) == OptType
                ? (Math.Clamp((int)BinaryPrimitives.ReadUInt16BigEndian(bytes[(offset + 3)..]), smallest, largest), true)
                : (smallest, false);
    }

    /// <summary>Reads an uncompressed name: a question, being first, has nothing to point back to.</summary>
    private static bool TryReadName(ReadOnlySpan<byte> bytes, ref int offset, out string name)
    {
        name = "";
        var text = new StringBuilder();
        while (offset < bytes.Length)
        {
            int length = bytes[offset++];
            if (length == 0)
            {
                name = text.ToString();
                return true;
            }

            if (length > 63 || offset + length > bytes.Length || text.Length + length + 1 > LongestName)
            {
                return false;
            }

            if (text.Length > 0)
            {
                text.Append('.');
            }

            foreach (var octet in bytes.Slice(offset, length))
            {
                text.Append(char.ToLowerInvariant((char)octet));
            }

            offset += length;
        }

        return false;
    }
}
