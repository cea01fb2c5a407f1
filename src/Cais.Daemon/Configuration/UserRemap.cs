using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Cais.Linux;

namespace Cais.Daemon.Configuration;

/// <summary>
/// What <c>userns-remap</c> means: whose subordinate ids containers get (subuid(5), subgid(5)). The setting is <c>default</c>, or a user by name or number, with or without
/// a group after a colon.
/// </summary>
/// <param name="directory">Where passwd, group, subuid and subgid are.</param>
/// <param name="run">Runs a program of the shadow suite; what it says when it fails, or null.</param>
internal sealed class UserRemap(string directory = "/etc", Func<string, IReadOnlyList<string>, string?>? run = null)
{
    /// <summary>Whom <c>default</c> means, as with dockerd.</summary>
    public const string DefaultUser = "dockremap";

    private const uint FirstId = 100_000;
    private const uint RangeSize = 65_536;

    /// <summary>The kernel takes no more lines in a map; user_namespaces(7).</summary>
    private const int MostRanges = 340;

    private readonly Func<string, IReadOnlyList<string>, string?> _run = run ?? Run;

    /// <summary>The ids of containers' user namespaces; null where the setting asks for none (it is empty, or root, who cannot stand in for root).</summary>
    /// <exception cref="ConfigurationException">There is no such user or group, or it has no subordinate ids.</exception>
    public IdMap? Resolve(string? setting)
    {
        if (string.IsNullOrEmpty(setting))
        {
            return null;
        }

        var (user, group) = setting == "default" ? Default() : Named(setting);
        if (user.Name == "root" || user.Id == 0)
        {
            return null;
        }

        var users = Ranges("subuid", "uid", [user.Name, Text(user.Id)]);
        var groups = Ranges("subgid", "gid", [user.Name, Text(user.Id), group.Name, Text(group.Id)]);
        return new IdMap(users, groups);
    }

    private (Entry User, Entry Group) Named(string setting)
    {
        var parts = setting.Split(':');
        if (parts.Length > 2 || parts.Any(p => p.Length == 0))
        {
            throw new ConfigurationException($"invalid userns-remap \"{setting}\": write default, user, user:group, uid or uid:gid");
        }

        var user = Find("passwd", parts[0]) ?? throw new ConfigurationException($"userns-remap: there is no user {parts[0]}");
        var group = parts.Length == 2
            ? Find("group", parts[1]) ?? throw new ConfigurationException($"userns-remap: there is no group {parts[1]}")
            : Find("group", Text(user.Group)) ?? new Entry(Text(user.Group), user.Group, 0);
        return (user, group);
    }

    /// <summary>dockerd makes the user of this name, and gives it ids, when that has not been done.</summary>
    private (Entry User, Entry Group) Default()
    {
        if (Find("passwd", DefaultUser) is null)
        {
            Do("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false", DefaultUser);
        }

        AddRange("subuid", "--add-subuids");
        AddRange("subgid", "--add-subgids");
        var user = Find("passwd", DefaultUser) ?? throw new ConfigurationException($"userns-remap: user {DefaultUser} was made and is not in {directory}/passwd");
        return (user, Find("group", Text(user.Group)) ?? new Entry(DefaultUser, user.Group, 0));
    }

    private void AddRange(string file, string option)
    {
        var lines = Lines(file).ToList();
        if (lines.Exists(l => l[0] == DefaultUser))
        {
            return;
        }

        // Behind everybody else's.
        var start = lines
            .Select(l => uint.TryParse(l.ElementAtOrDefault(1), out var first) && uint.TryParse(l.ElementAtOrDefault(2), out var count) ? (long)first + count : 0)
            .Append(FirstId)
            .Max();
        if (start + RangeSize > uint.MaxValue)
        {
            throw new ConfigurationException($"userns-remap: there are no {RangeSize} ids left for {DefaultUser} in {directory}/{file}");
        }

        Do("usermod", option, string.Create(CultureInfo.InvariantCulture, $"{start}-{start + RangeSize - 1}"), DefaultUser);
    }

    private void Do(string program, params string[] arguments)
    {
        if (_run(program, arguments) is { } problem)
        {
            throw new ConfigurationException(
                $"userns-remap: user {DefaultUser} with its ids is not there, and cannot be made: {program}: {problem}. Make it by hand, or name another user");
        }
    }

    private static string? Run(string program, IReadOnlyList<string> arguments)
    {
        try
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
            using var process = Process.Start(start)!;
            var said = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : said.Trim() is { Length: > 0 } text ? text : $"exit code {process.ExitCode}";
        }
        catch (Win32Exception e)
        {
            return e.Message;
        }
    }

    private List<IdRange> Ranges(string file, string kind, IReadOnlyList<string> owners)
    {
        foreach (var pair in owners.Chunk(2))
        {
            List<IdRange> ranges = [];
            uint next = 0;
            foreach (var line in Lines(file).Where(l => pair.Contains(l[0])))
            {
                if (line.Length < 3 || !uint.TryParse(line[1], NumberStyles.None, CultureInfo.InvariantCulture, out var first)
                    || !uint.TryParse(line[2], NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count == 0)
                {
                    throw new ConfigurationException($"userns-remap: {directory}/{file} has a line that cannot be read: {string.Join(':', line)}");
                }

                ranges.Add(new IdRange(next, first, count));
                next += count;
            }

            if (ranges.Count > MostRanges)
            {
                throw new ConfigurationException($"userns-remap: {pair[0]} has {ranges.Count} ranges in {directory}/{file}, of which the kernel takes {MostRanges}");
            }

            if (ranges.Count > 0)
            {
                return ranges;
            }
        }

        throw new ConfigurationException(
            $"userns-remap: no sub{kind} ranges found for user \"{owners[0]}\" in {directory}/{file}: a line such as {owners[0]}:{FirstId}:{RangeSize} gives it some");
    }

    private Entry? Find(string file, string nameOrId)
    {
        foreach (var line in Lines(file))
        {
            if (line.Length >= 3 && (line[0] == nameOrId || line[2] == nameOrId) && uint.TryParse(line[2], NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                return new Entry(line[0], id, uint.TryParse(line.ElementAtOrDefault(3), NumberStyles.None, CultureInfo.InvariantCulture, out var group) ? group : 0);
            }
        }

        return null;
    }

    private IEnumerable<string[]> Lines(string file)
    {
        var path = Path.Combine(directory, file);
        return File.Exists(path) ? File.ReadLines(path).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split(':')) : [];
    }

    private static string Text(uint id) => id.ToString(CultureInfo.InvariantCulture);

    /// <summary>A user or group; of a user also its first group.</summary>
    private sealed record Entry(string Name, uint Id, uint Group);
}
