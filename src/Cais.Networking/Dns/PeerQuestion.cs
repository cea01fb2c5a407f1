using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace Cais.Networking.Dns;

/// <summary>
/// What one host of an overlay network asks another: a DNS query (RFC 1035) for <c>NAME.IDENTIFIER.overlay</c>, and its answer. Networks have names of their own on
/// each host; what they have in common is the tunnel's identifier.
/// </summary>
internal static class PeerQuestion
{
    private const int HeaderLength = 12;
    private const ushort Internet = 1;
    private const string Suffix = ".overlay";

    /// <summary>The query as a message, or null if the name cannot be part of one.</summary>
    public static byte[]? Write(ushort id, uint identifier, string name, DnsType type)
    {
        if (DnsQuery.EncodeName($"{name}.{identifier.ToString(CultureInfo.InvariantCulture)}{Suffix}") is not { } encoded)
        {
            return null;
        }

        var message = new byte[HeaderLength + encoded.Length + 4];
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(4), 1);
        encoded.CopyTo(message, HeaderLength);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(HeaderLength + encoded.Length), (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(HeaderLength + encoded.Length + 2), Internet);
        return message;
    }

    /// <summary>Takes the name that was asked for apart; null if it is none of these.</summary>
    public static (uint Identifier, string Name)? Read(string name)
    {
        if (!name.EndsWith(Suffix, StringComparison.Ordinal))
        {
            return null;
        }

        var rest = name.AsSpan(0, name.Length - Suffix.Length);
        var dot = rest.LastIndexOf('.');
        return dot > 0 && uint.TryParse(rest[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var identifier)
            ? (identifier, rest[..dot].ToString())
            : null;
    }

    /// <summary>Data of the answer's records, as <see cref="DnsQuery.Answer"/> writes them; null when it is no answer to this question.</summary>
    public static IReadOnlyList<byte[]>? ReadAnswer(ReadOnlySpan<byte> question, ReadOnlySpan<byte> answer, DnsType type)
    {
        const int recordLength = 12, largestName = 255;
        const ushort pointerToQuestion = 0xc000 | HeaderLength;
        if (answer.Length < question.Length || !answer[..2].SequenceEqual(question[..2]) || (answer[2] & 0x80) == 0 ||
            BinaryPrimitives.ReadUInt16BigEndian(answer[4..]) != 1 || !answer[HeaderLength..question.Length].SequenceEqual(question[HeaderLength..]))
        {
            return null;
        }

        var records = new List<byte[]>();
        var rest = answer[question.Length..];
        for (var i = BinaryPrimitives.ReadUInt16BigEndian(answer[6..]); i > 0; i--)
        {
            if (rest.Length < recordLength || BinaryPrimitives.ReadUInt16BigEndian(rest) != pointerToQuestion || BinaryPrimitives.ReadUInt16BigEndian(rest[2..]) != (ushort)type)
            {
                return null;
            }

            var length = BinaryPrimitives.ReadUInt16BigEndian(rest[10..]);
            var isRight = type switch { DnsType.A => length == 4, DnsType.Aaaa => length == 16, _ => length is > 0 and <= largestName };
            if (!isRight || rest.Length < recordLength + length)
            {
                return null;
            }

            records.Add(rest.Slice(recordLength, length).ToArray());
            rest = rest[(recordLength + length)..];
        }

        return records;
    }

    /// <summary>What this host knows of a name in that network.</summary>
    public static IReadOnlyList<byte[]> Answer(State.NetworkState network, string name, DnsType type)
    {
        if (type == DnsType.Ptr)
        {
            return DnsQuery.ReverseAddress(name) is { } address && network.Names.Find(address) is { } found && DnsQuery.EncodeName($"{found.ContainerName}.{network.Network.Name}") is { } encoded
                ? [encoded]
                : [];
        }

        return [.. network.Names.Find(name).Select(e => type == DnsType.A ? e.IPv4Address : e.IPv6Address).OfType<IPAddress>().Distinct().Select(a => a.GetAddressBytes())];
    }
}
