using System.Globalization;
using System.Text;
using System.Text.Json;
using Cais.Linux;
using Cais.Linux.Status;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Checkpoint;

/// <summary>What a container has from outside, and how criu is told of it: bind mounts, namespaces joined by path, standard streams.</summary>
internal static class CriuResources
{
    public const string StreamsName = "descriptors.json";

    /// <summary>Destinations of mounts whose source lies outside, with that source.</summary>
    public static List<(string Destination, string Source)> ExternalMounts(Spec spec, string bundle, string root)
    {
        var mounts = new List<(string, string)>();
        foreach (var mount in spec.Mounts ?? [])
        {
            var options = mount.Options ?? [];
            if (mount.Type == "bind" || options.Contains("bind") || options.Contains("rbind"))
            {
                mounts.Add((Path.GetFullPath(mount.Destination, "/"), Path.GetFullPath(mount.Source ?? "", bundle)));
            }
        }

        foreach (var path in spec.Linux?.MaskedPaths ?? [])
        {
            // A directory gets a tmpfs of its own, which is nothing from outside.
            if (File.Exists(path) || File.Exists(root + path))
            {
                mounts.Add((path, "/dev/null"));
            }
        }

        return mounts;
    }

    /// <summary>Path of a network namespace that the container was given; null where it made its own.</summary>
    public static string? NetworkNamespace(Spec spec)
    {
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            if (space.Type == "network")
            {
                return string.IsNullOrEmpty(space.Path) ? null : space.Path;
            }
        }

        return null;
    }

    /// <summary>
    /// Names of the standard streams as criu keys them, for <c>--external</c> (files) and <c>--inherit-fd</c>: <c>pipe:[inode]</c>, or
    /// <c>file[mount:inode]</c> for FIFOs and files that lie outside the container's mounts. Null for what the container has itself.
    /// </summary>
    public static string?[] Streams(int pid)
    {
        var keys = new string?[3];
        var inside = MountIds(pid);
        for (var i = 0; i < keys.Length; i++)
        {
            if (new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd/{i}")).LinkTarget is not { } target)
            {
                continue;
            }

            if (target.StartsWith("pipe:", StringComparison.Ordinal))
            {
                keys[i] = target;
            }
            else if (target.StartsWith('/') && MountId(pid, i) is var mount && !inside.Contains(mount))
            {
                keys[i] = string.Create(CultureInfo.InvariantCulture, $"file[{mount:x}:{EntryStatus.Of($"/proc/{pid}/fd/{i}", follow: true)?.Inode ?? 0:x}]");
            }
        }

        return keys;
    }

    public static void WriteStreams(string folder, string?[] keys)
    {
        var json = new JsonText().BeginArray();
        foreach (var key in keys)
        {
            json.Add(null, key ?? "");
        }

        using var file = Files.Open($"{folder}/{StreamsName}", OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate, 0x180);
        Files.Write(file, json.EndArray().ToLine());
    }

    public static List<string> ReadStreams(string folder)
    {
        try
        {
            using var document = JsonDocument.Parse(Files.ReadAll($"{folder}/{StreamsName}"));
            return [.. document.RootElement.EnumerateArray().Select(key => key.GetString() ?? "")];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or LinuxException)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"{folder} is no checkpoint of a container: {e.Message}", e);
        }
    }

    private static HashSet<int> MountIds(int pid)
    {
        var ids = new HashSet<int>();
        foreach (var line in Encoding.UTF8.GetString(Files.ReadAll($"/proc/{pid}/mountinfo")).Split('\n'))
        {
            if (int.TryParse(line.AsSpan(0, Math.Max(0, line.IndexOf(' ', StringComparison.Ordinal))), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                ids.Add(id);
            }
        }

        return ids;
    }

    private static int MountId(int pid, int fd)
    {
        foreach (var line in Encoding.UTF8.GetString(Files.ReadAll($"/proc/{pid}/fdinfo/{fd}")).Split('\n'))
        {
            if (line.StartsWith("mnt_id:", StringComparison.Ordinal))
            {
                return int.Parse(line.AsSpan(7).Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
            }
        }

        return -1;
    }
}
