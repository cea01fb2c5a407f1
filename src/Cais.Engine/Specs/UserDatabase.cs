using System.Globalization;
using System.Text;

namespace Cais.Engine.Specs;

/// <summary>As whom a process runs.</summary>
/// <param name="Uid">User.</param>
/// <param name="Gid">Group.</param>
/// <param name="Groups">Further groups.</param>
/// <param name="Home">The user's directory; <c>/</c> for one that the image does not know.</param>
internal sealed record ProcessUser(uint Uid, uint Gid, IReadOnlyList<uint> Groups, string Home);

/// <summary>An image's /etc/passwd and /etc/group. Their lines are the image's author's: what is malformed is passed over.</summary>
internal sealed class UserDatabase
{
    /// <summary>Far more than any real one.</summary>
    public const int LargestFile = 4 << 20;

    private readonly List<(string Name, uint Uid, uint Gid, string Home)> _users = [];
    private readonly List<(string Name, uint Gid, string[] Members)> _groups = [];

    public UserDatabase(ReadOnlySpan<byte> passwd, ReadOnlySpan<byte> group)
    {
        foreach (var fields in Lines(passwd))
        {
            if (fields.Length >= 6 && Number(fields[2]) is { } uid && Number(fields[3]) is { } gid)
            {
                _users.Add((fields[0], uid, gid, fields[5]));
            }
        }

        foreach (var fields in Lines(group))
        {
            if (fields.Length >= 3 && Number(fields[2]) is { } gid)
            {
                _groups.Add((fields[0], gid, fields.Length > 3 ? fields[3].Split(',') : []));
            }
        }
    }

    public static UserDatabase Read(RootFiles root) => new(root.Read("/etc/passwd", LargestFile), root.Read("/etc/group", LargestFile));

    /// <summary>Resolves <c>user</c>, <c>user:group</c>, names or numbers, and <c>--group-add</c>.</summary>
    /// <exception cref="EngineException">InvalidParameter: a name that the image does not have, or a number out of range.</exception>
    public ProcessUser Resolve(string? text, IReadOnlyList<string>? groupAdd)
    {
        var parts = (text ?? "").Split(':', 2);
        var userPart = parts[0];
        var groupPart = parts.Length > 1 ? parts[1] : "";
        var (uid, gid, name, home) = User(userPart);
        var groups = new List<uint>();
        if (groupPart.Length > 0)
        {
            gid = Group(groupPart);
        }
        else if (name is not null)
        {
            groups.AddRange(_groups.Where(g => g.Members.Contains(name)).Select(g => g.Gid));
        }

        groups.AddRange((groupAdd ?? []).Select(Group));

        // The primary group too: a program that drops groups must not thereby lose a "denied to the group" (CVE-2022-36109).
        return new ProcessUser(uid, gid, [.. groups.Prepend(gid).Distinct()], home.Length > 0 ? home : "/");
    }

    private (uint Uid, uint Gid, string? Name, string Home) User(string text)
    {
        var number = text.Length == 0 ? 0 : Number(text);
        foreach (var user in _users)
        {
            if (user.Name == text || (number is { } uid && user.Uid == uid))
            {
                return (user.Uid, user.Gid, user.Name, user.Home);
            }
        }

        if (number is { } unknown)
        {
            return (unknown, 0, null, "/");
        }

        throw EngineException.InvalidParameter(text.All(char.IsAsciiDigit)
            ? "uids and gids must be in range 0-2147483647"
            : $"unable to find user {text}: no matching entries in passwd file");
    }

    private uint Group(string text)
    {
        var number = Number(text);
        foreach (var group in _groups)
        {
            if (group.Name == text || (number is { } gid && group.Gid == gid))
            {
                return group.Gid;
            }
        }

        return number ?? throw EngineException.InvalidParameter(text.All(char.IsAsciiDigit)
            ? "uids and gids must be in range 0-2147483647"
            : $"unable to find group {text}: no matching entries in group file");
    }

    private static uint? Number(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= int.MaxValue ? number : null;

    private static IEnumerable<string[]> Lines(ReadOnlySpan<byte> file) =>
        Encoding.UTF8.GetString(file).Split('\n').Where(l => l.Length > 0 && l[0] != '#').Select(l => l.TrimEnd('\r').Split(':'));
}
