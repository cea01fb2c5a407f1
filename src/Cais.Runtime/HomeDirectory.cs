using System.Globalization;
using System.Text;
using Cais.Linux;

namespace Cais.Runtime;

/// <summary>Looks into a container's own /etc/passwd, which is as hostile as the rest of the image.</summary>
internal static class HomeDirectory
{
    private const int Limit = 1024 * 1024;

    /// <summary>The home directory of <paramref name="uid"/> in the container of <paramref name="pid"/>; <c>/</c> where it is not said.</summary>
    public static string Find(int pid, uint uid)
    {
        try
        {
            using var root = Files.Open($"/proc/{pid}/root", OpenFlags.Path | OpenFlags.Directory);
            using var file = Files.OpenAt2(
                root, "etc/passwd", OpenFlags.ReadOnly | OpenFlags.NonBlocking | OpenFlags.NoControllingTerminal,
                ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
            if (!Files.Status(file.Number).IsRegular)
            {
                return "/";
            }

            var bytes = new byte[8192];
            var length = 0;
            for (int n; (n = Files.Read(file, bytes.AsSpan(length))) > 0 && length < Limit;)
            {
                length += n;
                if (length == bytes.Length)
                {
                    Array.Resize(ref bytes, bytes.Length * 2);
                }
            }

            return Find(Encoding.UTF8.GetString(bytes, 0, length), uid) ?? "/";
        }
        catch (LinuxException)
        {
            return "/";
        }
    }

    /// <summary>Sixth of the fields separated by colons; passwd(5).</summary>
    internal static string? Find(string passwd, uint uid)
    {
        foreach (var line in passwd.Split('\n'))
        {
            var fields = line.Split(':');
            if (fields.Length >= 6 && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id == uid)
            {
                return fields[5].Length is > 0 and < 500 && !fields[5].Contains('\0', StringComparison.Ordinal) ? fields[5] : null;
            }
        }

        return null;
    }
}
