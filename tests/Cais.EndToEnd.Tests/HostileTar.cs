using System.Text;

namespace Cais.EndToEnd.Tests;

/// <summary>Tar entries that no honest tool would write (POSIX ustar, made by hand).</summary>
internal static class HostileTar
{
    /// <param name="type">The type flag: '0' a file, '1' a hard link, '2' a symbolic link.</param>
    /// <param name="end">Whether the archive's two closing blocks follow.</param>
    public static byte[] Entry(string path, char type, string target, ReadOnlySpan<byte> content, bool end = true)
    {
        var size = type == '0' ? content.Length : 0;
        var header = new byte[512];
        Put(header, 0, path);
        Put(header, 100, "0000644\0");
        Put(header, 108, "0000000\0");
        Put(header, 116, "0000000\0");
        Put(header, 124, Convert.ToString(size, 8).PadLeft(11, '0') + "\0");
        Put(header, 136, "00000000000\0");
        Put(header, 148, "        ");
        header[156] = (byte)type;
        Put(header, 157, target);
        Put(header, 257, "ustar\0" + "00");
        Put(header, 148, Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ");
        var body = new byte[(size + 511) / 512 * 512];
        content[..size].CopyTo(body);
        return [.. header, .. body, .. end ? new byte[1024] : []];
    }

    private static void Put(byte[] header, int offset, string text) => Encoding.ASCII.GetBytes(text).CopyTo(header, offset);
}
