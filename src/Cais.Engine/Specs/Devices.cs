using Cais.Api;
using Cais.Linux.Status;
using Cais.Oci.Runtime;

namespace Cais.Engine.Specs;

/// <summary>Which devices a container sees and may use.</summary>
internal static class Devices
{
    /// <summary>Beside these the runtime makes the few that the specification demands (null, zero, full, random, urandom, tty).</summary>
    public static IReadOnlyList<DeviceRule> DefaultRules { get; } =
    [
        new() { Allow = false, Access = "rwm" },
        new() { Allow = true, Type = "c", Access = "m" },
        new() { Allow = true, Type = "b", Access = "m" },
        new() { Allow = true, Type = "c", Major = 1, Minor = 3, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 1, Minor = 5, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 1, Minor = 7, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 1, Minor = 8, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 1, Minor = 9, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 5, Minor = 0, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 5, Minor = 1, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 5, Minor = 2, Access = "rwm" },
        new() { Allow = true, Type = "c", Major = 136, Access = "rwm" },
    ];

    private static readonly DeviceRule Everything = new() { Allow = true, Access = "rwm" };

    public static (IReadOnlyList<LinuxDevice> Devices, IReadOnlyList<DeviceRule> Rules) Of(HostConfig config)
    {
        if (config.Privileged == true)
        {
            return ([.. HostDevices("/dev")], [Everything]);
        }

        var devices = new List<LinuxDevice>();
        var rules = new List<DeviceRule>(DefaultRules);
        foreach (var mapping in config.Devices ?? [])
        {
            foreach (var device in Resolve(mapping))
            {
                devices.Add(device);
                rules.Add(new DeviceRule
                {
                    Allow = true,
                    Type = device.Type,
                    Major = device.Major,
                    Minor = device.Minor,
                    Access = string.IsNullOrEmpty(mapping.CgroupPermissions) ? "rwm" : mapping.CgroupPermissions,
                });
            }
        }

        foreach (var rule in config.DeviceCgroupRules ?? [])
        {
            rules.Add(ParseRule(rule));
        }

        return (devices, rules);
    }

    /// <summary>Reads <c>c 1:* rwm</c>.</summary>
    public static DeviceRule ParseRule(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 3
            && words[0] is "a" or "b" or "c"
            && words[1].Split(':') is [var major, var minor]
            && Number(major, out var majorNumber)
            && Number(minor, out var minorNumber)
            && words[2].All(c => c is 'r' or 'w' or 'm'))
        {
            return new DeviceRule { Allow = true, Type = words[0], Major = majorNumber, Minor = minorNumber, Access = words[2] };
        }

        throw EngineException.InvalidParameter($"invalid device cgroup rule format: '{text}'");
    }

    private static bool Number(string text, out long? number)
    {
        number = null;
        if (text == "*")
        {
            return true;
        }

        var valid = uint.TryParse(text, out var parsed);
        number = parsed;
        return valid;
    }

    private static IEnumerable<LinuxDevice> Resolve(DeviceMapping mapping)
    {
        var path = mapping.PathOnHost ?? "";
        var inside = string.IsNullOrEmpty(mapping.PathInContainer) ? path : mapping.PathInContainer;
        switch (EntryStatus.Of(path, follow: true))
        {
            case { Kind: FileKind.CharacterDevice or FileKind.BlockDevice } device:
                return [Node(inside, device)];
            case { Kind: FileKind.Directory }:
                return HostDevices(path).Select(d => d with { Path = inside + d.Path[path.Length..] });
            default:
                throw EngineException.System($"error gathering device information while adding custom device \"{path}\": no such file or directory");
        }
    }

    private static IEnumerable<LinuxDevice> HostDevices(string directory)
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(directory))
        {
            switch (EntryStatus.Of(path))
            {
                case { Kind: FileKind.Directory } when Path.GetFileName(path) is not ("pts" or "shm" or "fd" or "mqueue" or ".lxc" or ".lxd-mounts" or ".udev"):
                    foreach (var device in HostDevices(path))
                    {
                        yield return device;
                    }

                    break;
                case { Kind: FileKind.CharacterDevice or FileKind.BlockDevice } device when Path.GetFileName(path) is not ("console" or "tty" or "ptmx"):
                    yield return Node(path, device);
                    break;
            }
        }
    }

    private static LinuxDevice Node(string path, EntryStatus device) => new()
    {
        Type = device.Kind == FileKind.BlockDevice ? "b" : "c",
        Path = path,
        Major = device.DeviceMajor,
        Minor = device.DeviceMinor,
        FileMode = device.Permissions,
        Uid = device.Uid,
        Gid = device.Gid,
    };
}
