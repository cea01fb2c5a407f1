using System.Buffers.Binary;
using System.Text;

namespace Cais.Runtime.Systemd;

/// <summary>Writes values as D-Bus marshals them, little-endian; "Marshaling (Wire Format)" of the D-Bus specification.</summary>
internal sealed class BusWriter
{
    private readonly List<byte> _bytes = [];

    public int Length => _bytes.Count;

    public byte[] ToArray() => [.. _bytes];

    public BusWriter Align(int boundary)
    {
        while (_bytes.Count % boundary != 0)
        {
            _bytes.Add(0);
        }

        return this;
    }

    public BusWriter Byte(byte value)
    {
        _bytes.Add(value);
        return this;
    }

    public BusWriter UInt32(uint value)
    {
        Align(4);
        Span<byte> raw = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(raw, value);
        _bytes.AddRange(raw);
        return this;
    }

    public BusWriter UInt64(ulong value)
    {
        Align(8);
        Span<byte> raw = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(raw, value);
        _bytes.AddRange(raw);
        return this;
    }

    public BusWriter Bool(bool value) => UInt32(value ? 1u : 0u);

    public BusWriter String(string value)
    {
        var utf8 = Encoding.UTF8.GetBytes(value);
        UInt32((uint)utf8.Length);
        _bytes.AddRange(utf8);
        _bytes.Add(0);
        return this;
    }

    public BusWriter Signature(string value)
    {
        _bytes.Add((byte)value.Length);
        _bytes.AddRange(Encoding.ASCII.GetBytes(value));
        _bytes.Add(0);
        return this;
    }

    public BusWriter Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>An array: its length counts from behind the padding to the first element.</summary>
    public BusWriter Array(int elementAlignment, Action<BusWriter> write)
    {
        UInt32(0);
        var at = _bytes.Count - 4;
        Align(elementAlignment);
        var start = _bytes.Count;
        write(this);
        Span<byte> raw = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(raw, (uint)(_bytes.Count - start));
        for (var i = 0; i < 4; i++)
        {
            _bytes[at + i] = raw[i];
        }

        return this;
    }
}

/// <summary>Reads what the other side marshals; whatever does not fit is an error, never an overrun.</summary>
internal ref struct BusReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; }

    public readonly bool AtEnd => Position >= _bytes.Length;

    public void Align(int boundary) => Position = (Position + boundary - 1) / boundary * boundary;

    public byte Byte() => Take(1)[0];

    public uint UInt32()
    {
        Align(4);
        return BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
    }

    public string String()
    {
        var length = checked((int)UInt32());
        var text = Encoding.UTF8.GetString(Take(length));
        Take(1);
        return text;
    }

    public string Signature()
    {
        var text = Encoding.ASCII.GetString(Take(Byte()));
        Take(1);
        return text;
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length < 0 || Position + (long)length > _bytes.Length)
        {
            throw new RuntimeException(RuntimeError.Failed, "systemd sent a D-Bus message that ends too early");
        }

        var part = _bytes.Slice(Position, length);
        Position += length;
        return part;
    }
}

/// <summary>A message that came in.</summary>
/// <param name="Type">1 call, 2 return, 3 error, 4 signal.</param>
internal sealed record BusMessage(byte Type, uint ReplySerial, string Member, string ErrorName, string Signature, byte[] Body)
{
    public const byte Call = 1;
    public const byte Return = 2;
    public const byte Error = 3;
    public const byte Signal = 4;
}
