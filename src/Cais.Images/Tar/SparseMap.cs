using System.Buffers;
using System.Buffers.Text;

namespace Cais.Images.Tar;

/// <summary>Where a sparse file has data, as GNU tar's formats write it.</summary>
internal static class SparseMap
{
    /// <summary>Bytes of a map's text that are accepted.</summary>
    private const int Largest = 1024 * 1024;

    private const int ExtentSize = 24;
    private const int ExtentsInBlock = 504;

    /// <summary>The old format: four extents in the header, more in the blocks that follow it.</summary>
    public static List<TarExtent> ReadOld(TarHeader header, out bool continues)
    {
        var map = new List<TarExtent>();
        continues = TakeExtents(header.GnuSparse, map) && header.GnuSparseContinues;
        return map;
    }

    public static void ReadOldBlocks(TarInput input, List<TarExtent> map, TarEntry entry)
    {
        for (var more = true; more;)
        {
            if (map.Count * ExtentSize > Largest)
            {
                throw Bad(entry);
            }

            var block = input.TakeBlock();
            more = TakeExtents(block[..ExtentsInBlock], map) && block[ExtentsInBlock] != 0;
        }
    }

    /// <summary>
    /// Format 1.0: decimal numbers, one a line, in whole blocks before the data: how many, then offset and length of each.
    /// <paramref name="left"/>: bytes that the member has in the archive; less the map's afterwards.
    /// </summary>
    public static List<TarExtent> ReadLines(TarInput input, ref long left, TarEntry entry)
    {
        var map = new List<TarExtent>();
        var read = 0;
        var text = new ArrayBufferWriter<byte>(TarHeader.Size);
        long? count = null;
        long? offset = null;
        var at = 0;
        while (count is null || map.Count < count)
        {
            var line = text.WrittenSpan[at..];
            var end = line.IndexOf((byte)'\n');
            if (end < 0)
            {
                if (left < TarHeader.Size || (read += TarHeader.Size) > Largest)
                {
                    throw Bad(entry);
                }

                text.Write(input.TakeBlock());
                left -= TarHeader.Size;
                continue;
            }

            if (!Utf8Parser.TryParse(line[..end], out long number, out var used) || used != end || number < 0)
            {
                throw Bad(entry);
            }

            at += end + 1;
            if (count is null)
            {
                count = number <= Largest / 4 ? number : throw Bad(entry);
            }
            else if (offset is null)
            {
                offset = number;
            }
            else
            {
                map.Add(new TarExtent(offset.Value, number));
                offset = null;
            }
        }

        return map;
    }

    /// <summary>Throws unless the extents ascend, lie within the file, and need exactly the data that is stored.</summary>
    public static void Check(List<TarExtent> map, long realSize, long stored, TarEntry entry)
    {
        long end = 0;
        long data = 0;
        foreach (var (offset, length) in map)
        {
            if (offset < end || length < 0 || length > realSize || offset > realSize - length)
            {
                throw Bad(entry);
            }

            end = offset + length;
            data += length;
        }

        if (data != stored || realSize < 0)
        {
            throw Bad(entry);
        }
    }

    public static TarFormatException Bad(TarEntry entry) => new($"archive/tar: {entry.DisplayName} has an invalid sparse map");

    /// <summary>Extents of an old GNU header; false once an empty one said that there are no more.</summary>
    private static bool TakeExtents(ReadOnlySpan<byte> fields, List<TarExtent> map)
    {
        for (; fields.Length >= ExtentSize; fields = fields[ExtentSize..])
        {
            if (fields[0] == 0)
            {
                return false;
            }

            map.Add(new TarExtent(TarHeader.Number(fields[..12], "sparse offset"), TarHeader.Number(fields.Slice(12, 12), "sparse length")));
        }

        return true;
    }
}
