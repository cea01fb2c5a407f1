using System.Buffers.Binary;
using System.Text;

namespace Cais.Engine.Logs.Remote;

/// <summary>The part of MessagePack that fluentd's forward protocol needs (msgpack specification, 2013 and later).</summary>
internal sealed class MessagePack : IDisposable
{
    private readonly MemoryStream _to = new();

    public ReadOnlyMemory<byte> Written => _to.GetBuffer().AsMemory(0, (int)_to.Length);

    public void Dispose() => _to.Dispose();

    public void Array(int count) => Head(count, 0x90, 0xdc);

    public void Map(int count) => Head(count, 0x80, 0xde);

    public void Text(string text) => Text(Encoding.UTF8.GetBytes(text));

    /// <summary>As a string: what is not UTF-8 is the receiver's to judge, as with docker.</summary>
    public void Text(ReadOnlySpan<byte> text)
    {
        Span<byte> head = stackalloc byte[5];
        switch (text.Length)
        {
            case < 32:
                _to.WriteByte((byte)(0xa0 | text.Length));
                break;
            case < 256:
                _to.Write([0xd9, (byte)text.Length]);
                break;
            case < 65536:
                head[0] = 0xda;
                BinaryPrimitives.WriteUInt16BigEndian(head[1..], (ushort)text.Length);
                _to.Write(head[..3]);
                break;
            default:
                head[0] = 0xdb;
                BinaryPrimitives.WriteUInt32BigEndian(head[1..], (uint)text.Length);
                _to.Write(head);
                break;
        }

        _to.Write(text);
    }

    public void Integer(long value)
    {
        Span<byte> bytes = stackalloc byte[9];
        if (value is >= 0 and < 128)
        {
            _to.WriteByte((byte)value);
            return;
        }

        bytes[0] = 0xd3;
        BinaryPrimitives.WriteInt64BigEndian(bytes[1..], value);
        _to.Write(bytes);
    }

    /// <summary>Forward protocol v1, EventTime: seconds and nanoseconds as extension type 0.</summary>
    public void EventTime(DateTimeOffset time)
    {
        Span<byte> bytes = stackalloc byte[10];
        bytes[0] = 0xd7;
        bytes[1] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(bytes[2..], (uint)time.ToUnixTimeSeconds());
        BinaryPrimitives.WriteUInt32BigEndian(bytes[6..], (uint)(time.Ticks % TimeSpan.TicksPerSecond * 100));
        _to.Write(bytes);
    }

    private void Head(int count, byte small, byte large)
    {
        if (count < 16)
        {
            _to.WriteByte((byte)(small | count));
            return;
        }

        Span<byte> bytes = stackalloc byte[3];
        bytes[0] = large;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[1..], checked((ushort)count));
        _to.Write(bytes);
    }
}
