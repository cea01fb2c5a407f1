using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux.Netlink;

/// <summary>
/// Netlink messages being written, one behind the other, ready for one send (netlink(7)). Attributes are in the host's byte order unless a
/// method says otherwise; every one is padded to four bytes. Reusable: <see cref="Clear"/> keeps the memory.
/// </summary>
public sealed class NetlinkBuffer
{
    /// <summary>An attribute's length field has 16 bits.</summary>
    private const int LongestAttribute = ushort.MaxValue;

    private const int NestedFlag = 1 << 15;
    private byte[] _bytes = new byte[1024];
    private int _length;
    private int _message = -1;

    /// <summary>Everything written so far.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    public int Length => _length;

    /// <summary>How many messages were begun.</summary>
    public int Count { get; private set; }

    public void Clear()
    {
        _length = 0;
        _message = -1;
        Count = 0;
    }

    /// <summary>Ends the message before, if any, and begins another.</summary>
    public void BeginMessage(ushort type, NetlinkFlags flags, uint sequence)
    {
        EndMessage();
        _message = _length;
        Count++;
        var header = Take(16);
        header.Clear();
        MemoryMarshal.Write(header[4..], type);
        MemoryMarshal.Write(header[6..], (ushort)flags);
        MemoryMarshal.Write(header[8..], sequence);
    }

    /// <summary>Fills in the length of the message in progress.</summary>
    public void EndMessage()
    {
        if (_message >= 0)
        {
            MemoryMarshal.Write(_bytes.AsSpan(_message), (uint)(_length - _message));
            _message = -1;
        }
    }

    /// <summary>Adds flags to the message that was begun last.</summary>
    public void AddFlags(int messageOffset, NetlinkFlags flags)
    {
        var field = _bytes.AsSpan(messageOffset + 6);
        MemoryMarshal.Write(field, (ushort)(MemoryMarshal.Read<ushort>(field) | (ushort)flags));
    }

    /// <summary>A family's fixed header (ifinfomsg, ifaddrmsg, nfgenmsg ...), padded to four bytes.</summary>
    public void Header<T>(in T value) where T : unmanaged
    {
        var size = Marshal.SizeOf<T>();
        var span = Take(Align(size));
        span.Clear();
        MemoryMarshal.Write(span, value);
    }

    public void Put(int type, ReadOnlySpan<byte> value)
    {
        var length = 4 + value.Length;
        if (length > LongestAttribute)
        {
            throw new ArgumentException($"a netlink attribute of {value.Length} bytes is longer than its length field can say", nameof(value));
        }

        var span = Take(Align(length));
        MemoryMarshal.Write(span, (ushort)length);
        MemoryMarshal.Write(span[2..], (ushort)type);
        value.CopyTo(span[4..]);
        span[length..].Clear();
    }

    public void PutFlag(int type) => Put(type, []);

    public void PutByte(int type, byte value) => Put(type, [value]);

    public void PutUInt16(int type, ushort value) => Put(type, MemoryMarshal.AsBytes(new ReadOnlySpan<ushort>(in value)));

    public void PutUInt32(int type, uint value) => Put(type, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)));

    public void PutInt32(int type, int value) => Put(type, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in value)));

    public void PutUInt16BigEndian(int type, ushort value) => PutUInt16(type, BinaryPrimitives.ReverseEndianness(value));

    public void PutUInt32BigEndian(int type, uint value) => PutUInt32(type, BinaryPrimitives.ReverseEndianness(value));

    /// <summary>Text with its terminating zero.</summary>
    public void PutString(int type, string value)
    {
        Span<byte> bytes = stackalloc byte[256];
        var count = Encoding.UTF8.GetByteCount(value) + 1;
        if (count > bytes.Length)
        {
            bytes = new byte[count];
        }

        Encoding.UTF8.GetBytes(value, bytes);
        bytes[count - 1] = 0;
        Put(type, bytes[..count]);
    }

    /// <summary>Opens an attribute that holds others; give the result to <see cref="EndNested"/>.</summary>
    /// <param name="type">The attribute's type.</param>
    /// <param name="flagged">Whether to set NLA_F_NESTED, which older parts of the kernel do not expect.</param>
    public int BeginNested(int type, bool flagged = true)
    {
        var at = _length;
        var span = Take(4);
        MemoryMarshal.Write(span, (ushort)4);
        MemoryMarshal.Write(span[2..], (ushort)(flagged ? type | NestedFlag : type));
        return at;
    }

    public void EndNested(int at)
    {
        var length = _length - at;
        if (length > LongestAttribute)
        {
            throw new InvalidOperationException($"a nested netlink attribute of {length} bytes is longer than its length field can say");
        }

        MemoryMarshal.Write(_bytes.AsSpan(at), (ushort)length);
    }

    internal static int Align(int length) => (length + 3) & ~3;

    private Span<byte> Take(int count)
    {
        if (_length + count > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        }

        var span = _bytes.AsSpan(_length, count);
        _length += count;
        return span;
    }
}

/// <summary>nlmsg_flags of linux/netlink.h.</summary>
[Flags]
public enum NetlinkFlags : ushort
{
    None = 0,
    Request = 0x01,
    Multi = 0x02,
    Acknowledge = 0x04,
    Echo = 0x08,

    /// <summary>NLM_F_REPLACE, in requests that make something.</summary>
    Replace = 0x100,

    /// <summary>NLM_F_EXCL.</summary>
    Exclusive = 0x200,

    /// <summary>NLM_F_CREATE.</summary>
    Create = 0x400,

    /// <summary>NLM_F_APPEND.</summary>
    Append = 0x800,

    /// <summary>NLM_F_ROOT and NLM_F_MATCH, in requests that list something.</summary>
    Dump = 0x300,

    /// <summary>NLM_F_CAPPED, in acknowledgements: the request is not repeated whole.</summary>
    Capped = 0x100,

    /// <summary>NLM_F_ACK_TLVS, in acknowledgements: attributes explain the error.</summary>
    ExtendedAck = 0x200,
}
