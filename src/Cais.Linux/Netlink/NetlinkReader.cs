using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux.Netlink;

/// <summary>One received message.</summary>
public readonly ref struct NetlinkMessage
{
    /// <summary>NLMSG_ERROR: an error, or with code zero an acknowledgement.</summary>
    public const ushort ErrorType = 2;

    /// <summary>NLMSG_DONE: the end of a list.</summary>
    public const ushort DoneType = 3;

    public required ushort Type { get; init; }

    public required NetlinkFlags Flags { get; init; }

    public required uint Sequence { get; init; }

    /// <summary>In events: the socket by which the change was made (<see cref="NetlinkSocket.PortId"/>); 0 for the kernel itself.</summary>
    public required uint PortId { get; init; }

    public required ReadOnlySpan<byte> Payload { get; init; }

    /// <summary>The family's fixed header at the payload's start.</summary>
    /// <exception cref="NetlinkFormatException">The payload is shorter.</exception>
    public T Header<T>() where T : unmanaged =>
        MemoryMarshal.TryRead<T>(Payload, out var value)
            ? value
            : throw new NetlinkFormatException($"netlink message of type {Type} has {Payload.Length} bytes, too few for its header");

    /// <summary>The attributes behind a fixed header of type <typeparamref name="T"/>.</summary>
    public NetlinkAttributes Attributes<T>() where T : unmanaged
    {
        var offset = NetlinkBuffer.Align(Marshal.SizeOf<T>());
        return new NetlinkAttributes(offset >= Payload.Length ? [] : Payload[offset..]);
    }
}

/// <summary>Takes received bytes apart into messages; believes no length.</summary>
public ref struct NetlinkReader(ReadOnlySpan<byte> received)
{
    private ReadOnlySpan<byte> _rest = received;

    /// <summary>The next message; false at the end.</summary>
    /// <exception cref="NetlinkFormatException">A length runs past the end or is shorter than its own header.</exception>
    public bool TryRead(out NetlinkMessage message)
    {
        message = default;
        if (_rest.IsEmpty)
        {
            return false;
        }

        if (_rest.Length < 16)
        {
            throw new NetlinkFormatException($"{_rest.Length} bytes at the end of a netlink datagram are too few for a message header");
        }

        var length = MemoryMarshal.Read<uint>(_rest);
        if (length < 16 || length > _rest.Length)
        {
            throw new NetlinkFormatException($"netlink message says it has {length} bytes; {_rest.Length} are there");
        }

        message = new NetlinkMessage
        {
            Type = MemoryMarshal.Read<ushort>(_rest[4..]),
            Flags = (NetlinkFlags)MemoryMarshal.Read<ushort>(_rest[6..]),
            Sequence = MemoryMarshal.Read<uint>(_rest[8..]),
            PortId = MemoryMarshal.Read<uint>(_rest[12..]),
            Payload = _rest[16..(int)length],
        };
        var step = NetlinkBuffer.Align((int)length);
        _rest = step >= _rest.Length ? [] : _rest[step..];
        return true;
    }
}

/// <summary>One attribute, its type without the nested and byte order flags.</summary>
public readonly ref struct NetlinkAttribute(int type, ReadOnlySpan<byte> value)
{
    public int Type { get; } = type;

    public ReadOnlySpan<byte> Value { get; } = value;

    public NetlinkAttributes Nested => new(Value);

    public byte AsByte() => Value.Length >= 1 ? Value[0] : throw TooShort(1);

    public ushort AsUInt16() => MemoryMarshal.TryRead<ushort>(Value, out var value) ? value : throw TooShort(2);

    public uint AsUInt32() => MemoryMarshal.TryRead<uint>(Value, out var value) ? value : throw TooShort(4);

    public int AsInt32() => (int)AsUInt32();

    public ulong AsUInt64BigEndian() => BinaryPrimitives.TryReadUInt64BigEndian(Value, out var value) ? value : throw TooShort(8);

    public uint AsUInt32BigEndian() => BinaryPrimitives.ReverseEndianness(AsUInt32());

    /// <summary>Text up to the terminating zero or the end.</summary>
    public string AsString()
    {
        var end = Value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? Value : Value[..end]);
    }

    private NetlinkFormatException TooShort(int wanted) => new($"netlink attribute {Type} has {Value.Length} bytes where {wanted} are needed");
}

/// <summary>A run of attributes, to be enumerated.</summary>
public ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private const int TypeMask = 0x3fff;
    private ReadOnlySpan<byte> _rest = bytes;

    public NetlinkAttribute Current { get; private set; }

    public readonly NetlinkAttributes GetEnumerator() => this;

    /// <exception cref="NetlinkFormatException">A length runs past the end or is shorter than its own header.</exception>
    public bool MoveNext()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        if (_rest.Length < 4)
        {
            throw new NetlinkFormatException($"{_rest.Length} bytes behind the last netlink attribute are too few for another");
        }

        var length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length)
        {
            throw new NetlinkFormatException($"netlink attribute says it has {length} bytes; {_rest.Length} are there");
        }

        Current = new NetlinkAttribute(MemoryMarshal.Read<ushort>(_rest[2..]) & TypeMask, _rest[4..length]);
        var step = NetlinkBuffer.Align(length);
        _rest = step >= _rest.Length ? [] : _rest[step..];
        return true;
    }

    /// <summary>The first attribute of that type; false when there is none.</summary>
    public readonly bool TryFind(int type, out NetlinkAttribute found)
    {
        foreach (var attribute in this)
        {
            if (attribute.Type == type)
            {
                found = attribute;
                return true;
            }
        }

        found = default;
        return false;
    }
}
