using System.Globalization;
using System.Text;

namespace Cais.Build.Files;

/// <summary>Turns <c>user[:group]</c> into numbers, by the passwd and group files of the tree that is changed.</summary>
internal static class UserLookup
{
    private const int LargestFile = 4 * 1024 * 1024;

    /// <summary>Throws <see cref="IOException"/> if a name is unknown. Empty is root.</summary>
    public static (uint Uid, uint Gid) Resolve(RootDirectory root, string text)
    {
        if (text.Length == 0)
        {
            return (0, 0);
        }

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var user = colon < 0 ? text : text[..colon];
        var group = colon < 0 ? null : text[(colon + 1)..];
        uint uid = 0;
        uint? gid = null;
        if (uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            uid = number;

            // A group that is not given is the user's own, or has the user's number as Docker has it.
            gid = group is null ? number : null;
        }
        else if (user.Length > 0)
        {
            var fields = Find(root, "etc/passwd", user, 4) ?? throw new IOException($"unable to find user {user}: no matching entries in passwd file");
            (uid, gid) = (Number(fields[2], "passwd"), Number(fields[3], "passwd"));
        }

        if (!string.IsNullOrEmpty(group))
        {
            gid = uint.TryParse(group, NumberStyles.None, CultureInfo.InvariantCulture, out number)
                ? number
                : Number((Find(root, "etc/group", group, 3) ?? throw new IOException($"unable to find group {group}: no matching entries in group file"))[2], "group");
        }

        return (uid, gid ?? 0);
    }

    private static uint Number(string text, string file) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw new IOException($"the image's {file} file has \"{text}\" where a number should be");

    private static string[]? Find(RootDirectory root, string path, string name, int fields)
    {
        var content = root.ReadFile(path, LargestFile);
        return content is null ? null : Encoding.UTF8.GetString(content).Split('\n')
            .Select(l => l.TrimEnd('\r').Split(':'))
            .FirstOrDefault(f => f.Length >= fields && f[0] == name);
    }
}
