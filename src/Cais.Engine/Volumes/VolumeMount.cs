using System.Net;
using System.Net.Sockets;
using Cais.Linux;

namespace Cais.Engine.Volumes;

/// <summary>Volumes of the local driver that are a mount of something else: <c>--opt type=nfs --opt device=… --opt o=…</c> (mount(8)).</summary>
internal static class VolumeMount
{
    private const MountFlags Propagation = MountFlags.Private | MountFlags.Shared | MountFlags.Slave | MountFlags.Unbindable;

    /// <summary>Words that are flags of mount(2) and no data for the file system; some take a flag away.</summary>
    private static readonly Dictionary<string, (MountFlags Flag, bool Clear)> Words = new()
    {
        ["defaults"] = (MountFlags.None, false),
        ["ro"] = (MountFlags.ReadOnly, false),
        ["rw"] = (MountFlags.ReadOnly, true),
        ["nosuid"] = (MountFlags.NoSuid, false),
        ["suid"] = (MountFlags.NoSuid, true),
        ["nodev"] = (MountFlags.NoDev, false),
        ["dev"] = (MountFlags.NoDev, true),
        ["noexec"] = (MountFlags.NoExec, false),
        ["exec"] = (MountFlags.NoExec, true),
        ["sync"] = (MountFlags.Synchronous, false),
        ["async"] = (MountFlags.Synchronous, true),
        ["dirsync"] = (MountFlags.DirectorySync, false),
        ["mand"] = (MountFlags.MandatoryLock, false),
        ["nomand"] = (MountFlags.MandatoryLock, true),
        ["noatime"] = (MountFlags.NoAccessTime, false),
        ["atime"] = (MountFlags.NoAccessTime, true),
        ["nodiratime"] = (MountFlags.NoDirectoryAccessTime, false),
        ["diratime"] = (MountFlags.NoDirectoryAccessTime, true),
        ["relatime"] = (MountFlags.RelativeAccessTime, false),
        ["norelatime"] = (MountFlags.RelativeAccessTime, true),
        ["strictatime"] = (MountFlags.StrictAccessTime, false),
        ["nostrictatime"] = (MountFlags.StrictAccessTime, true),
        ["remount"] = (MountFlags.Remount, false),
        ["bind"] = (MountFlags.Bind, false),
        ["rbind"] = (MountFlags.Bind | MountFlags.Recursive, false),
        ["private"] = (MountFlags.Private, false),
        ["rprivate"] = (MountFlags.Private | MountFlags.Recursive, false),
        ["shared"] = (MountFlags.Shared, false),
        ["rshared"] = (MountFlags.Shared | MountFlags.Recursive, false),
        ["slave"] = (MountFlags.Slave, false),
        ["rslave"] = (MountFlags.Slave | MountFlags.Recursive, false),
        ["unbindable"] = (MountFlags.Unbindable, false),
        ["runbindable"] = (MountFlags.Unbindable | MountFlags.Recursive, false),
    };

    /// <summary>Whether the volume is a mount of something else.</summary>
    public static bool Has(VolumeRecord volume) => volume is { Driver: "local", Options: { } options } && options.ContainsKey("device");

    /// <summary>Throws what docker says of options that are not the local driver's or lack a part. Gives the size limit in bytes, or 0.</summary>
    public static long Check(string name, IReadOnlyDictionary<string, string>? options)
    {
        foreach (var option in options?.Keys ?? [])
        {
            if (option is not ("type" or "device" or "o" or "size"))
            {
                throw EngineException.InvalidParameter($"create {name}: invalid option: \"{option}\"");
            }
        }

        if (options is null)
        {
            return 0;
        }

        foreach (var (option, needs) in (ReadOnlySpan<(string, string)>)[("type", "device"), ("device", "type"), ("o", "device"), ("o", "type")])
        {
            if (options.ContainsKey(option) && !options.ContainsKey(needs))
            {
                throw EngineException.InvalidParameter($"create {name}: missing required option: \"{needs}\"");
            }
        }

        if (!options.TryGetValue("size", out var text))
        {
            return 0;
        }

        return Sizes.TryParse(text, out var size) && size >= 0 ? size : throw EngineException.InvalidParameter($"create {name}: invalid size: '{text}'");
    }

    public static void Mount(VolumeRecord volume)
    {
        var options = volume.Options!;
        var type = options.GetValueOrDefault("type");
        var (flags, data) = Parse(options.GetValueOrDefault("o") ?? "");
        var (device, text) = Resolve(type, options["device"], data);
        try
        {
            Mounts.Mount(device, volume.Path, type, flags & ~Propagation, text.Length > 0 ? text : null);
            if (flags.HasFlag(MountFlags.Bind) && (flags & ~(MountFlags.Bind | MountFlags.Recursive | Propagation)) != 0)
            {
                // A bind mount takes its other flags in a second step.
                Mounts.Mount(null, volume.Path, null, (flags & ~Propagation) | MountFlags.Remount);
            }

            if ((flags & Propagation) != 0)
            {
                Mounts.Mount(null, volume.Path, null, flags & (Propagation | MountFlags.Recursive));
            }
        }
        catch (LinuxException e)
        {
            Unmount(volume);
            throw EngineException.System(
                $"failed to mount local volume: mount {device}:{volume.Path}, flags: 0x{(ulong)flags:x}, data: {Masked(text)}: {e.Errno.Describe()}", e);
        }
    }

    /// <summary>Takes away all that is mounted there; nothing is fine.</summary>
    public static void Unmount(VolumeRecord volume)
    {
        while (Has(volume) && Mounts.Unmount(volume.Path, lazy: true))
        {
        }
    }

    private static (MountFlags Flags, List<string> Data) Parse(string text)
    {
        var flags = MountFlags.None;
        var data = new List<string>();
        foreach (var word in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (Words.TryGetValue(word, out var known))
            {
                flags = known.Clear ? flags & ~known.Flag : flags | known.Flag;
            }
            else
            {
                data.Add(word);
            }
        }

        return (flags, data);
    }

    /// <summary>The kernel knows no host names: what mount.nfs and mount.cifs look up is looked up here.</summary>
    private static (string Device, string Data) Resolve(string? type, string device, List<string> data)
    {
        if (type is not ("nfs" or "nfs4" or "cifs"))
        {
            return (device, string.Join(',', data));
        }

        var index = data.FindIndex(w => w.StartsWith("addr=", StringComparison.Ordinal));
        if (index >= 0)
        {
            data[index] = "addr=" + Address(data[index]["addr=".Length..]);
        }
        else if (type == "cifs" && device.Replace('\\', '/').TrimStart('/').Split('/')[0] is { Length: > 0 } server)
        {
            data.Add("ip=" + Address(server));
        }

        return (device, string.Join(',', data));
    }

    private static string Address(string host)
    {
        if (IPAddress.TryParse(host, out _))
        {
            return host;
        }

        try
        {
            var found = Dns.GetHostAddresses(host);
            return (Array.Find(found, a => a.AddressFamily == AddressFamily.InterNetwork) ?? found[0]).ToString();
        }
        catch (Exception e) when (e is SocketException or ArgumentException or IndexOutOfRangeException)
        {
            throw EngineException.System($"error resolving passed in network volume address: {host}: {e.Message}", e);
        }
    }

    /// <summary>Errors are logged and shown: they hold no passwords.</summary>
    private static string Masked(string data) =>
        string.Join(',', data.Split(',').Select(w => w.StartsWith("password=", StringComparison.Ordinal) ? "password=********" : w));
}
