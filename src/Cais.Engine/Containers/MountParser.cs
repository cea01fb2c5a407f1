using System.Globalization;
using System.Text.RegularExpressions;
using Cais.Api;

namespace Cais.Engine.Containers;

/// <summary>Reads what users say about mounts (<c>-v</c>, <c>--mount</c>, <c>--tmpfs</c>, <c>--volumes-from</c>, VOLUME) into one list.</summary>
internal static partial class MountParser
{
    private static readonly HashSet<string> TmpfsFlags =
    [
        "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "mand", "noatime", "nodev", "nodiratime", "noexec", "nomand", "norelatime", "nostrictatime",
        "nosuid", "private", "rbind", "relatime", "remount", "ro", "rprivate", "rshared", "rslave", "runbindable", "rw", "shared", "slave", "strictatime", "suid", "sync", "unbindable",
    ];

    private static readonly HashSet<string> TmpfsKeys = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

    private static readonly string[] Propagations = ["shared", "slave", "private", "rshared", "rslave", "rprivate"];

    /// <summary>All mounts of a container to be. Volumes that are not named yet have no name; nothing is created.</summary>
    public static IReadOnlyList<MountRecord> Parse(ContainerConfig config, HostConfig host, Func<string, Container> find)
    {
        var mounts = new Dictionary<string, MountRecord>();
        foreach (var from in host.VolumesFrom ?? [])
        {
            foreach (var mount in From(from, find))
            {
                mounts[mount.Destination] = mount;
            }
        }

        // What is asked for by name wins over what is inherited, and may not be asked for twice.
        var asked = new HashSet<string>();
        void Add(MountRecord mount)
        {
            if (!asked.Add(mount.Destination))
            {
                throw EngineException.InvalidParameter($"Duplicate mount point: {mount.Destination}");
            }

            mounts[mount.Destination] = mount;
        }

        foreach (var bind in host.Binds ?? [])
        {
            Add(Bind(bind, host.VolumeDriver));
        }

        foreach (var mount in host.Mounts ?? [])
        {
            Add(Mount(mount));
        }

        foreach (var (destination, options) in host.Tmpfs ?? new Dictionary<string, string>())
        {
            Add(new MountRecord
            {
                Type = "tmpfs",
                Destination = Target(destination, $"invalid tmpfs specification: '{destination}'"),
                TmpfsOptions = Tmpfs(options),
            });
        }

        foreach (var path in config.Volumes?.Keys ?? [])
        {
            var destination = Target(path, $"invalid volume specification: '{path}'");
            if (!mounts.ContainsKey(destination))
            {
                mounts[destination] = new MountRecord { Type = "volume", Destination = destination, Driver = host.VolumeDriver, CopyUp = true, Anonymous = true };
            }
        }

        return [.. mounts.Values];
    }

    /// <summary>Reads <c>source:destination:mode</c>.</summary>
    public static MountRecord Bind(string text, string? volumeDriver)
    {
        var parts = text.Split(':');
        var (source, target, mode) = parts switch
        {
            [var only] => ("", only, ""),
            [var a, var b] when IsAbsolute(b) => (a, b, ""),

            // "destination:mode", which docker reads as a source and a destination that is not absolute.
            [_, var b] => throw EngineException.InvalidParameter(
                $"invalid volume specification: '{text}': invalid mount config for type \"{TypeOf(parts[0])}\": invalid mount path: '{b}' mount path must be absolute"),
            [var a, var b, var c] => (a, b, c),
            _ => throw EngineException.InvalidParameter($"invalid volume specification: '{text}'"),
        };
        if ((parts.Length > 1 && source.Length == 0) || target.Length == 0)
        {
            throw EngineException.InvalidParameter($"invalid volume specification: '{text}'");
        }

        var isBind = source.StartsWith('/');
        if (source.Length > 0 && !isBind && !VolumeName().IsMatch(source))
        {
            throw EngineException.InvalidParameter(
                $"create {source}: \"{source}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path");
        }

        var mount = new MountRecord
        {
            Type = isBind ? "bind" : "volume",
            Source = isBind ? Clean(source) : "",
            Name = isBind || source.Length == 0 ? null : source,
            Anonymous = source.Length == 0,
            Driver = isBind ? null : volumeDriver,
            Destination = Target(target, $"invalid volume specification: '{text}': invalid mount config for type \"{(isBind ? "bind" : "volume")}\""),
            Mode = mode,
            CreateSource = isBind,
            CopyUp = !isBind,
        };
        return Modes(mount, mode);
    }

    private static bool IsAbsolute(string path) => path.StartsWith('/');

    private static string TypeOf(string source) => source.StartsWith('/') ? "bind" : "volume";

    private static MountRecord Modes(MountRecord mount, string mode)
    {
        var access = 0;
        foreach (var word in mode.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            switch (word)
            {
                case "ro" or "rw":
                    access++;
                    mount = mount with { ReadOnly = word == "ro" };
                    break;
                case "z" or "Z" or "delegated" or "cached" or "consistent":
                    break;
                case "nocopy" when mount.Type == "volume":
                    mount = mount with { CopyUp = false };
                    break;
                case "copy" when mount.Type == "volume":
                    break;
                case var propagation when mount.Type == "bind" && Propagations.Contains(propagation):
                    mount = mount with { Propagation = propagation };
                    break;
                default:
                    throw EngineException.InvalidParameter($"invalid mode: {mode}");
            }
        }

        return access > 1 ? throw EngineException.InvalidParameter($"invalid mode: {mode}") : mount;
    }

    private static MountRecord Mount(MountSpec spec)
    {
        EngineException Invalid(string why) => EngineException.InvalidParameter($"invalid mount config for type \"{spec.Type}\": {why}");
        if (string.IsNullOrEmpty(spec.Target))
        {
            throw Invalid("field Target must not be empty");
        }

        if (!spec.Target.StartsWith('/'))
        {
            throw Invalid($"invalid mount path: '{spec.Target}' mount path must be absolute");
        }

        var mount = new MountRecord
        {
            Type = spec.Type ?? "",
            Destination = Target(spec.Target, $"invalid mount config for type \"{spec.Type}\""),
            ReadOnly = spec.ReadOnly == true,
            FromMounts = true,
        };
        switch (spec.Type)
        {
            case "bind":
                if (string.IsNullOrEmpty(spec.Source))
                {
                    throw Invalid("field Source must not be empty");
                }

                if (!spec.Source.StartsWith('/'))
                {
                    throw Invalid($"invalid mount path: '{spec.Source}' mount path must be absolute");
                }

                if (spec.VolumeOptions is not null || spec.TmpfsOptions is not null || spec.ImageOptions is not null)
                {
                    throw Invalid($"field {OptionsOf(spec, "BindOptions")} must not be specified");
                }

                if (spec.BindOptions?.Propagation is { Length: > 0 } propagation && !Propagations.Contains(propagation))
                {
                    throw Invalid($"invalid propagation mode: {propagation}");
                }

                if (spec.BindOptions is { } bind)
                {
                    if (bind.ReadOnlyNonRecursive == true && spec.ReadOnly != true)
                    {
                        throw Invalid("mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive");
                    }

                    if (bind.ReadOnlyForceRecursive == true && spec.ReadOnly != true)
                    {
                        throw Invalid("mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive");
                    }

                    if (bind is { ReadOnlyForceRecursive: true, ReadOnlyNonRecursive: true })
                    {
                        throw Invalid("mount options conflict: BindOptions.ReadOnlyForceRecursive && BindOptions.ReadOnlyNonRecursive");
                    }
                }

                if (spec.BindOptions?.CreateMountpoint != true && !Path.Exists(spec.Source))
                {
                    throw Invalid($"bind source path does not exist: {spec.Source}");
                }

                return mount with
                {
                    Source = Clean(spec.Source),
                    Propagation = spec.BindOptions?.Propagation ?? "",
                    NonRecursive = spec.BindOptions?.NonRecursive == true,
                    ReadOnlyNonRecursive = spec.BindOptions?.ReadOnlyNonRecursive == true,
                    ReadOnlyForceRecursive = spec.BindOptions?.ReadOnlyForceRecursive == true,
                    CreateSource = spec.BindOptions?.CreateMountpoint == true,
                };
            case "volume":
                if (spec.BindOptions is not null || spec.TmpfsOptions is not null || spec.ImageOptions is not null)
                {
                    throw Invalid($"field {OptionsOf(spec, "VolumeOptions")} must not be specified");
                }

                if (spec.VolumeOptions?.Subpath is { Length: > 0 } subpath)
                {
                    if (string.IsNullOrEmpty(spec.Source))
                    {
                        throw Invalid("must not set Subpath when using anonymous volumes");
                    }

                    if (!IsLocal(subpath))
                    {
                        throw Invalid("subpath must be a relative path within the volume");
                    }
                }

                return mount with
                {
                    Name = string.IsNullOrEmpty(spec.Source) ? null : spec.Source,
                    Anonymous = string.IsNullOrEmpty(spec.Source),
                    Driver = spec.VolumeOptions?.DriverConfig?.Name,
                    CopyUp = spec.VolumeOptions?.NoCopy != true,
                    Subpath = spec.VolumeOptions?.Subpath,
                };
            case "tmpfs":
                if (!string.IsNullOrEmpty(spec.Source))
                {
                    throw Invalid("field Source must not be specified");
                }

                if (spec.BindOptions is not null || spec.VolumeOptions is not null || spec.ImageOptions is not null)
                {
                    throw Invalid($"field {OptionsOf(spec, "TmpfsOptions")} must not be specified");
                }

                return mount with { TmpfsOptions = [.. TmpfsWords(spec)] };
            case "image":
                if (string.IsNullOrEmpty(spec.Source))
                {
                    throw Invalid("field Source must not be empty");
                }

                if (spec.BindOptions is not null || spec.VolumeOptions is not null || spec.TmpfsOptions is not null)
                {
                    throw Invalid($"field {OptionsOf(spec, "ImageOptions")} must not be specified");
                }

                if (spec.ImageOptions?.Subpath is { Length: > 0 } inside && !IsLocal(inside))
                {
                    throw Invalid("subpath must be a relative path within the image");
                }

                return mount with { Source = spec.Source, ReadOnly = true, Subpath = spec.ImageOptions?.Subpath };
            case "cluster":
                throw EngineException.InvalidParameter(
                    $"invalid mount config for type \"cluster\": cluster volumes need a swarm manager: this engine is not part of a swarm");
            case "npipe":
                throw EngineException.InvalidParameter("invalid mount config for type \"npipe\": named pipes are of Windows and do not exist on linux");
            default:
                throw EngineException.InvalidParameter($"invalid mount config for type \"{spec.Type}\": mount type unknown");
        }
    }

    /// <summary>Relative, and never above where it starts.</summary>
    private static bool IsLocal(string path)
    {
        var depth = 0;
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            depth += part switch { "." => 0, ".." => -1, _ => 1 };
            if (depth < 0)
            {
                return false;
            }
        }

        return !path.StartsWith('/') && !path.Contains('\0');
    }

    /// <summary>Which block of options is there that does not belong to the type.</summary>
    private static string OptionsOf(MountSpec spec, string own) =>
        spec.BindOptions is not null && own != "BindOptions" ? "BindOptions"
        : spec.VolumeOptions is not null && own != "VolumeOptions" ? "VolumeOptions"
        : spec.TmpfsOptions is not null && own != "TmpfsOptions" ? "TmpfsOptions"
        : "ImageOptions";

    /// <summary>Checks the words of <c>--tmpfs path:words</c>; tmpfs(5), and mount(8) for those of every file system.</summary>
    private static string[] Tmpfs(string text)
    {
        var words = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var wrong = words.Where(w => !TmpfsFlags.Contains(w) && !TmpfsKeys.Contains(w.Split('=', 2)[0])).ToList();
        return wrong.Count == 0 ? words : throw EngineException.InvalidParameter($"invalid tmpfs option [{string.Join(' ', wrong.Select(w => $"\"{w}\""))}]");
    }

    private static IEnumerable<string> TmpfsWords(MountSpec spec)
    {
        if (spec.ReadOnly == true)
        {
            yield return "ro";
        }

        if (spec.TmpfsOptions?.Mode is { } mode and not 0)
        {
            yield return "mode=" + Convert.ToString(mode, 8);
        }

        if (spec.TmpfsOptions?.SizeBytes is > 0 and var size)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"size={size}");
        }

        foreach (var option in spec.TmpfsOptions?.Options ?? [])
        {
            yield return option.Count > 1 ? $"{option[0]}={option[1]}" : option[0];
        }
    }

    private static IEnumerable<MountRecord> From(string text, Func<string, Container> find)
    {
        var parts = text.Split(':', 2);
        var mode = parts.Length > 1 ? parts[1] : "rw";
        if (mode is not ("ro" or "rw" or "z" or "Z"))
        {
            throw EngineException.InvalidParameter($"invalid mode: {mode}");
        }

        return find(parts[0]).Record.Mounts
            .Where(m => m.Type is "bind" or "volume")
            .Select(m => m with { ReadOnly = m.ReadOnly || mode == "ro", CopyUp = false, Anonymous = false });
    }

    private static string Target(string path, string what)
    {
        if (!path.StartsWith('/'))
        {
            throw EngineException.InvalidParameter($"{what}: invalid mount path: '{path}' mount path must be absolute");
        }

        var clean = Clean(path);
        return clean == "/" ? throw EngineException.InvalidParameter($"{what}: invalid specification: destination can't be '/'") : clean;
    }

    /// <summary>An absolute path without <c>.</c>, <c>..</c> and doubled slashes.</summary>
    internal static string Clean(string path)
    {
        var parts = new List<string>();
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == "..")
            {
                if (parts.Count > 0)
                {
                    parts.RemoveAt(parts.Count - 1);
                }
            }
            else if (part != ".")
            {
                parts.Add(part);
            }
        }

        return "/" + string.Join('/', parts);
    }

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex VolumeName();
}
