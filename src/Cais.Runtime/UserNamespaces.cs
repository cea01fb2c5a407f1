using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Hooks;

namespace Cais.Runtime;

/// <summary>Id mappings of user namespaces; user_namespaces(7).</summary>
internal static class UserNamespaces
{
    public static bool Has(Spec spec)
    {
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            if (space.Type == "user")
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Of a user namespace that is joined; null for none, or a new one.</summary>
    public static string? PathOf(Spec spec)
    {
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            if (space.Type == "user")
            {
                return string.IsNullOrEmpty(space.Path) ? null : space.Path;
            }
        }

        return null;
    }

    /// <summary>Writes both maps; as an ordinary user through newuidmap and newgidmap, or a single mapping of the own id.</summary>
    public static void WriteMappings(int pid, IReadOnlyList<IdMapping> uids, IReadOnlyList<IdMapping> gids)
    {
        if (UserIds.Effective == 0)
        {
            Write(pid, "uid_map", uids);
            Write(pid, "gid_map", gids);
            return;
        }

        if (uids is [{ Size: 1 }] && gids is [{ Size: 1 }])
        {
            // An ordinary user may map nobody but itself, and only after giving up setgroups.
            Files.WriteValue($"/proc/{pid}/setgroups", "deny"u8);
            Write(pid, "uid_map", uids);
            Write(pid, "gid_map", gids);
            return;
        }

        RunTool("newuidmap", pid, uids);
        RunTool("newgidmap", pid, gids);
    }

    private static void Write(int pid, string file, IReadOnlyList<IdMapping> mappings) =>
        Files.WriteValue($"/proc/{pid}/{file}", Encoding.ASCII.GetBytes(Text(mappings)));

    internal static string Text(IReadOnlyList<IdMapping> mappings)
    {
        var text = new StringBuilder();
        foreach (var mapping in mappings)
        {
            text.Append(CultureInfo.InvariantCulture, $"{mapping.ContainerId} {mapping.HostId} {mapping.Size}\n");
        }

        return text.ToString();
    }

    private static void RunTool(string tool, int pid, IReadOnlyList<IdMapping> mappings)
    {
        var path = Files.Exists($"/usr/bin/{tool}") ? $"/usr/bin/{tool}" : $"/bin/{tool}";
        var arguments = new List<string> { tool, pid.ToString(CultureInfo.InvariantCulture) };
        foreach (var mapping in mappings)
        {
            arguments.Add(mapping.ContainerId.ToString(CultureInfo.InvariantCulture));
            arguments.Add(mapping.HostId.ToString(CultureInfo.InvariantCulture));
            arguments.Add(mapping.Size.ToString(CultureInfo.InvariantCulture));
        }

        var (status, output) = HelperProcess.Run(path, arguments, [], null, 10_000);
        if (status is not { ShellCode: 0 })
        {
            throw new RuntimeException(RuntimeError.Failed, $"{tool} failed: {output}. Are there entries in /etc/subuid and /etc/subgid for this user?");
        }
    }
}
