using System.Text;
using Cais.Images.Layers;
using Cais.Images.Tar;

namespace Cais.Images.Building;

/// <summary>Unpacks an archive of any supported compression into a tree that has other things in it (ADD).</summary>
public static class ArchiveExtractor
{
    private const int HeaderLength = 512;

    /// <summary>Whether a file begins like a tar archive, plain or compressed. The stream is read from, and not put back.</summary>
    public static bool IsArchive(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        try
        {
            using var plain = Compression.OpenReader(stream, out _);
            var header = new byte[HeaderLength];
            return plain.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) == HeaderLength && HasTarHeader(header);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or ImageException or ZstdSharp.ZstdException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>
    /// Unpacks below <paramref name="directory"/> of the tree open at <paramref name="root"/>, whatever links lie on the way. Everything belongs to
    /// <paramref name="owner"/> if given. Throws <see cref="ImageException"/> or an <see cref="IOException"/>.
    /// </summary>
    public static async Task ExtractAsync(Stream archive, int root, string directory, (uint Uid, uint Gid)? owner, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(directory);

        // A request's body can be read asynchronously only, and unpacking is a thread's work.
        using var input = archive is FileStream ? archive : new ReadAheadStream(archive, asynchronous: true);
        await StoreErrors.Guard(() => OwnThread.Run("unpack", () =>
        {
            using var plain = Compression.OpenReader(input, out _);
            using var tar = new TarReader(plain);
            using var unpacker = new LayerUnpacker(root, new UnpackOptions(Encoding.UTF8.GetBytes(directory.Trim('/')), KeepKinds: true, owner));
            unpacker.Apply(tar, cancellation);
            return 0;
        })).ConfigureAwait(false);
    }

    /// <summary>The header's checksum is the sum of its bytes with its own field as blanks.</summary>
    private static bool HasTarHeader(ReadOnlySpan<byte> header)
    {
        var sum = 0;
        for (var i = 0; i < HeaderLength; i++)
        {
            sum += i is >= 148 and < 156 ? ' ' : header[i];
        }

        var written = Encoding.ASCII.GetString(header.Slice(148, 8)).Trim(' ', '\0');
        return written.Length > 0 && written.All(c => c is >= '0' and <= '7') && Convert.ToInt64(written, 8) == sum;
    }
}
