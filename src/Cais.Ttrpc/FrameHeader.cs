using System.Buffers.Binary;

namespace Cais.Ttrpc;

/// <summary>What a frame carries; see PROTOCOL.md of containerd/ttrpc.</summary>
internal enum FrameType : byte
{
    Request = 1,
    Response = 2,
    Data = 3,
}

/// <summary>The ten bytes before each message: length of the payload and stream, big-endian, then type and flags.</summary>
internal readonly record struct FrameHeader(uint Length, uint Stream, FrameType Type, byte Flags)
{
    public const int Size = 10;

    /// <summary>Longest payload either side accepts: 4 MiB.</summary>
    public const int MaxPayload = 4 << 20;

    public static FrameHeader Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt32BigEndian(bytes),
        BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]),
        (FrameType)bytes[8],
        bytes[9]);

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Stream);
        bytes[8] = (byte)Type;
        bytes[9] = Flags;
    }
}
