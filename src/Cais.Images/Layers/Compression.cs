using System.IO.Compression;
using Cais.Images.Decompression;

namespace Cais.Images.Layers;

/// <summary>How a layer or archive is compressed, told by its first bytes and never by what somebody calls it.</summary>
internal enum CompressionKind
{
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

internal static class Compression
{
    /// <summary>Enough bytes to tell.</summary>
    public const int MagicLength = 6;

    public static CompressionKind Detect(ReadOnlySpan<byte> start) => start switch
    {
        [0x1f, 0x8b, ..] => CompressionKind.Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] or [>= 0x50 and <= 0x5f, 0x2a, 0x4d, 0x18, ..] => CompressionKind.Zstd,
        [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => CompressionKind.Xz,
        [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', ..] => CompressionKind.Bzip2,
        _ => CompressionKind.None,
    };

    /// <summary>A stream of what <paramref name="compressed"/> says; it owns that stream.</summary>
    public static Stream OpenReader(Stream compressed, CompressionKind kind) => kind switch
    {
        CompressionKind.None => compressed,
        CompressionKind.Gzip => new GZipStream(compressed, CompressionMode.Decompress),
        CompressionKind.Zstd => new ZstdSharp.DecompressionStream(compressed, bufferSize: 128 * 1024, leaveOpen: false),
        CompressionKind.Xz => new XzStream(compressed),
        CompressionKind.Bzip2 => new Bzip2Stream(compressed),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Reads the start of a stream, tells its compression, and gives a stream of the whole uncompressed content.</summary>
    public static Stream OpenReader(Stream stream, out CompressionKind kind)
    {
        var start = new byte[MagicLength];
        var length = stream.ReadAtLeast(start, MagicLength, throwOnEndOfStream: false);
        kind = Detect(start.AsSpan(0, length));
        return OpenReader(new PrefixedStream(start.AsMemory(0, length), stream), kind);
    }
}
