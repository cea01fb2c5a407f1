using System.Net;
using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Values;

namespace Cais.Cli.Commands.Containers;

/// <summary>The flags that describe a container: what <c>run</c> and <c>create</c> share.</summary>
internal static class ContainerFlags
{
    public static readonly Flag<IReadOnlyList<string>> Attach = Flags.List("attach", "Attach to STDIN, STDOUT or STDERR", 'a', CheckAttach);
    public static readonly Flag<IReadOnlyList<string>> DeviceCgroupRule = Flags.List("device-cgroup-rule", "Allow or deny devices by a cgroup rule", check: CheckDeviceRule);
    public static readonly Flag<IReadOnlyList<string>> Device = Flags.List("device", "Make a device of the host available in the container");
    public static readonly Flag<DeviceRequest?> Gpus = Flags.Custom<DeviceRequest?>("gpus", "gpu-request", "GPUs to make available ('all' for every one)", null, static (text, _) => GpuOption.Parse(text), api: "1.40");
    public static readonly Flag<IReadOnlyList<string>> Env = Flags.List("env", "Set environment variables", 'e', static text => EnvironmentOption.Check(text, Environment.GetEnvironmentVariable));
    public static readonly Flag<IReadOnlyList<string>> EnvFile = Flags.List("env-file", "Read environment variables from a file");
    public static readonly Flag<string> Entrypoint = Flags.Text("entrypoint", "Run this instead of the image's ENTRYPOINT");
    public static readonly Flag<IReadOnlyList<string>> GroupAdd = Flags.List("group-add", "Further groups of the process");
    public static readonly Flag<string> Hostname = Flags.Text("hostname", "Host name in the container", 'h');
    public static readonly Flag<string> Domainname = Flags.Text("domainname", "NIS domain name in the container");
    public static readonly Flag<bool> Interactive = Flags.Bool("interactive", "Keep STDIN open even if not attached", 'i');
    public static readonly Flag<IReadOnlyList<string>> Label = Flags.List("label", "Set metadata of the container", 'l', EnvironmentOption.CheckLabel);
    public static readonly Flag<IReadOnlyList<string>> LabelFile = Flags.List("label-file", "Read labels from a file, one a line");
    public static readonly Flag<bool> ReadOnly = Flags.Bool("read-only", "Mount the container's root filesystem read-only");
    public static readonly Flag<string> Restart = Flags.Text("restart", "When to start the container again after it exits", defaultValue: "no");
    public static readonly Flag<string> StopSignal = Flags.Text("stop-signal", "Signal that asks the container to stop");
    public static readonly Flag<int> StopTimeout = Flags.Int("stop-timeout", "Seconds between that signal and the kill", api: "1.25");
    public static readonly Flag<IReadOnlyDictionary<string, string>> Sysctl = Flags.Map("sysctl", "Kernel parameters of the container", check: CheckSysctl);
    public static readonly Flag<bool> Tty = Flags.Bool("tty", "Give the process a terminal", 't');
    public static readonly Flag<IReadOnlyDictionary<string, Ulimit>> UlimitFlag = Flags.Custom<IReadOnlyDictionary<string, Ulimit>>(
        "ulimit", "ulimit", "Resource limits of the process", new SortedDictionary<string, Ulimit>(), static (text, previous) => AddUlimit(text, previous), defaultText: "[]");

    public static readonly Flag<string> User = Flags.Text("user", "User name or uid (form: <name|uid>[:<group|gid>])", 'u');
    public static readonly Flag<string> Workdir = Flags.Text("workdir", "Working directory of the process", 'w');
    public static readonly Flag<bool> Remove = Flags.Bool("rm", "Remove the container and its anonymous volumes when it exits");

    public static readonly Flag<IReadOnlyList<string>> CapAdd = Flags.List("cap-add", "Add Linux capabilities");
    public static readonly Flag<IReadOnlyList<string>> CapDrop = Flags.List("cap-drop", "Drop Linux capabilities");
    public static readonly Flag<bool> Privileged = Flags.Bool("privileged", "Give the container every privilege of the host");
    public static readonly Flag<IReadOnlyList<string>> SecurityOpt = Flags.List("security-opt", "Security options");
    public static readonly Flag<string> Userns = Flags.Text("userns", "User namespace");
    public static readonly Flag<string> Cgroupns = Flags.Text("cgroupns", "Cgroup namespace: 'host', 'private', or '' for the daemon's default", api: "1.41");

    public static readonly Flag<IReadOnlyList<string>> AddHost = Flags.List("add-host", "Add a line to /etc/hosts (host:ip)", check: CheckExtraHost);
    public static readonly Flag<IReadOnlyList<string>> Dns = Flags.List("dns", "DNS servers", check: CheckAddress);
    public static readonly Flag<IReadOnlyList<string>> DnsOption = Flags.List("dns-option", "DNS options");
    public static readonly Flag<IReadOnlyList<string>> DnsSearch = Flags.List("dns-search", "DNS search domains", check: CheckDomain);
    public static readonly Flag<IReadOnlyList<string>> Expose = Flags.List("expose", "Ports that the container serves");
    public static readonly Flag<string> Ip = Flags.Checked("ip", "ip", "IPv4 address (172.30.100.104)", CheckIp, defaultText: "<nil>");
    public static readonly Flag<string> Ip6 = Flags.Checked("ip6", "ip", "IPv6 address (2001:db8::33)", CheckIp, defaultText: "<nil>");
    public static readonly Flag<IReadOnlyList<string>> Link = Flags.List("link", "Link to another container", check: CheckLink);
    public static readonly Flag<IReadOnlyList<string>> LinkLocalIp = Flags.List("link-local-ip", "Link-local addresses of the container", check: CheckAddress);
    public static readonly Flag<string> MacAddress = Flags.Text("mac-address", "MAC address (92:d0:c6:0a:29:33)");
    public static readonly Flag<IReadOnlyList<string>> Publish = Flags.List("publish", "Make a port of the container reachable through the host", 'p');
    public static readonly Flag<bool> PublishAll = Flags.Bool("publish-all", "Make every exposed port reachable, on ports that are free", 'P');
    public static readonly Flag<IReadOnlyList<NetworkOption>> Network = Flags.Custom<IReadOnlyList<NetworkOption>>(
        "network", "network", "Network to connect to", [], static (text, previous) => [.. previous, NetworkOption.Parse(text)]);

    public static readonly Flag<IReadOnlyList<string>> NetworkAlias = Flags.List("network-alias", "Further name of the container in its network");

    public static readonly Flag<string> LogDriver = Flags.Text("log-driver", "Logging driver");
    public static readonly Flag<string> VolumeDriver = Flags.Text("volume-driver", "Driver of volumes that have to be made");
    public static readonly Flag<IReadOnlyList<string>> LogOpt = Flags.List("log-opt", "Options of the logging driver");
    public static readonly Flag<IReadOnlyList<string>> StorageOpt = Flags.List("storage-opt", "Options of the storage driver");
    public static readonly Flag<IReadOnlyList<string>> Tmpfs = Flags.List("tmpfs", "Mount a tmpfs");
    public static readonly Flag<IReadOnlyList<string>> VolumesFrom = Flags.List("volumes-from", "Mount what another container mounts");
    public static readonly Flag<IReadOnlyList<string>> Volume = Flags.List("volume", "Mount a directory of the host, or a volume", 'v');
    public static readonly Flag<IReadOnlyList<MountSpec>> Mount = Flags.Custom<IReadOnlyList<MountSpec>>(
        "mount", "mount", "Mount a filesystem", [], static (text, previous) => [.. previous, MountOption.Parse(text)]);

    public static readonly Flag<string> HealthCmd = Flags.Text("health-cmd", "Command that checks the container's health");
    public static readonly Flag<long> HealthInterval = Flags.Duration("health-interval", "Time between checks (ms|s|m|h) (default 0s)");
    public static readonly Flag<int> HealthRetries = Flags.Int("health-retries", "Failures in a row that mean unhealthy");
    public static readonly Flag<long> HealthTimeout = Flags.Duration("health-timeout", "Longest time for one check (ms|s|m|h) (default 0s)");
    public static readonly Flag<long> HealthStartPeriod = Flags.Duration("health-start-period", "Time to get going before failures count (ms|s|m|h) (default 0s)", "1.29");
    public static readonly Flag<long> HealthStartInterval = Flags.Duration("health-start-interval", "Time between checks in that period (ms|s|m|h) (default 0s)", "1.44");
    public static readonly Flag<bool> NoHealthcheck = Flags.Bool("no-healthcheck", "Ignore the image's HEALTHCHECK");

    public static readonly Flag<ulong> BlkioWeight = Flags.UInt("blkio-weight", "uint16", "Share of block I/O, from 10 to 1000, or 0 for none (default 0)", 16);
    public static readonly Flag<IReadOnlyList<string>> BlkioWeightDevice = Flags.List("blkio-weight-device", "Share of block I/O by device", check: ResourceOptions.CheckWeightDevice, defaultText: "[]");
    public static readonly Flag<string> CidFile = Flags.Text("cidfile", "Write the container's id to this file");
    public static readonly Flag<string> CpusetCpus = Flags.Text("cpuset-cpus", "CPUs to run on (0-3, 0,1)");
    public static readonly Flag<string> CpusetMems = Flags.Text("cpuset-mems", "Memory nodes to use (0-3, 0,1)");
    public static readonly Flag<long> CpuCount = Flags.Int64("cpu-count", "Number of CPUs (Windows only)", os: "windows");
    public static readonly Flag<long> CpuPercent = Flags.Int64("cpu-percent", "Percentage of the CPUs (Windows only)", os: "windows");
    public static readonly Flag<long> CpuPeriod = Flags.Int64("cpu-period", "Period of the CPU limit in microseconds");
    public static readonly Flag<long> CpuQuota = Flags.Int64("cpu-quota", "CPU time in each period in microseconds");
    public static readonly Flag<long> CpuRtPeriod = Flags.Int64("cpu-rt-period", "Period of the real-time CPU limit in microseconds", api: "1.25");
    public static readonly Flag<long> CpuRtRuntime = Flags.Int64("cpu-rt-runtime", "Real-time CPU time in each period in microseconds", api: "1.25");
    public static readonly Flag<long> CpuShares = Flags.Int64("cpu-shares", "Share of CPU time (relative weight)", 'c');
    public static readonly Flag<long> Cpus = Flags.Custom("cpus", "decimal", "Number of CPUs", 0L, static (text, _) => ResourceOptions.NanoCpus(text), api: "1.25");
    public static readonly Flag<IReadOnlyList<string>> DeviceReadBps = Flags.List("device-read-bps", "Limit reading from a device (bytes a second)", check: ResourceOptions.CheckBpsDevice, defaultText: "[]");
    public static readonly Flag<IReadOnlyList<string>> DeviceReadIops = Flags.List("device-read-iops", "Limit reading from a device (operations a second)", check: ResourceOptions.CheckIopsDevice, defaultText: "[]");
    public static readonly Flag<IReadOnlyList<string>> DeviceWriteBps = Flags.List("device-write-bps", "Limit writing to a device (bytes a second)", check: ResourceOptions.CheckBpsDevice, defaultText: "[]");
    public static readonly Flag<IReadOnlyList<string>> DeviceWriteIops = Flags.List("device-write-iops", "Limit writing to a device (operations a second)", check: ResourceOptions.CheckIopsDevice, defaultText: "[]");
    public static readonly Flag<long> IoMaxBandwidth = Flags.Bytes("io-maxbandwidth", "Limit of the system drive in bytes (Windows only)", os: "windows");
    public static readonly Flag<ulong> IoMaxIops = Flags.UInt("io-maxiops", "uint64", "Limit of the system drive in operations (Windows only)", 64, os: "windows");
    public static readonly Flag<long> Memory = Flags.Bytes("memory", "Memory limit", 'm');
    public static readonly Flag<long> MemoryReservation = Flags.Bytes("memory-reservation", "Soft memory limit");
    public static readonly Flag<long> MemorySwap = Flags.SwapBytes("memory-swap", "Limit of memory and swap together: '-1' for no limit");
    public static readonly Flag<long> MemorySwappiness = Flags.Int64("memory-swappiness", "How readily to swap (0 to 100)", defaultValue: -1);
    public static readonly Flag<bool> OomKillDisable = Flags.Bool("oom-kill-disable", "Do not kill when out of memory");
    public static readonly Flag<int> OomScoreAdj = Flags.Int("oom-score-adj", "How likely to be killed when the host is out of memory (-1000 to 1000)");
    public static readonly Flag<long> PidsLimit = Flags.Int64("pids-limit", "Limit of processes (-1 for none)");

    public static readonly Flag<string> CgroupParent = Flags.Text("cgroup-parent", "Cgroup in which to make the container's");
    public static readonly Flag<string> Ipc = Flags.Text("ipc", "IPC namespace");
    public static readonly Flag<string> Isolation = Flags.Text("isolation", "Isolation technology");
    public static readonly Flag<string> Pid = Flags.Text("pid", "PID namespace");
    public static readonly Flag<long> ShmSize = Flags.Bytes("shm-size", "Size of /dev/shm");
    public static readonly Flag<string> Uts = Flags.Text("uts", "UTS namespace");
    public static readonly Flag<string> Runtime = Flags.Text("runtime", "Runtime that runs the container");
    public static readonly Flag<bool> Init = Flags.Bool("init", "Run an init as process 1 that forwards signals and reaps processes", api: "1.25");
    public static readonly Flag<IReadOnlyDictionary<string, string>> Annotation = Flags.Map("annotation", "Annotations, which the runtime gets to see", api: "1.43");
    public static readonly Flag<bool> UseApiSocket = Flags.Bool("use-api-socket", "Give the container the engine's socket and the registry logins");

    // Of run and create themselves
    public static readonly Flag<string> Name = Flags.Text("name", "Name of the container");
    public static readonly Flag<string> Pull = Flags.Text("pull", "When to pull the image (\"always\", \"missing\", \"never\")", defaultValue: "missing");
    public static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Do not show the progress of the pull", 'q');
    public static readonly Flag<string> Platform = Flags.Text("platform", "Platform of the image, if it is made for several", api: "1.32");
    public static readonly Flag<bool> Help = Flags.Bool("help", "Print usage");

    public static readonly Flag<bool> DisableContentTrust =
        new("disable-content-trust", "bool", "Skip image verification", true, static (text, _) => GoNumber.ParseBool(text))
        {
            DefaultText = "true",
            Hidden = true,
        };

    public static readonly Flag<long> KernelMemory = new("kernel-memory", "bytes", "Kernel memory limit", 0, static (text, _) => ByteSize.Parse(text))
    {
        Hidden = true,
    };

    /// <summary>Every one of them, second names included.</summary>
    public static IReadOnlyList<Flag> All { get; } =
    [
        Attach, DeviceCgroupRule, Device, Gpus, Env, EnvFile, Entrypoint, GroupAdd, Hostname, Domainname, Interactive, Label, LabelFile, ReadOnly,
        Restart, StopSignal, StopTimeout, Sysctl, Tty, UlimitFlag, User, Workdir, Remove,
        CapAdd, CapDrop, Privileged, SecurityOpt, Userns, Cgroupns,
        AddHost, Dns, DnsOption, DnsOption.HiddenAlias("dns-opt"), DnsSearch, Expose, Ip, Ip6, Link, LinkLocalIp, MacAddress, Publish, PublishAll,
        Network, Network.HiddenAlias("net"), NetworkAlias, NetworkAlias.HiddenAlias("net-alias"),
        LogDriver, VolumeDriver, LogOpt, StorageOpt, Tmpfs, VolumesFrom, Volume, Mount,
        HealthCmd, HealthInterval, HealthRetries, HealthTimeout, HealthStartPeriod, HealthStartInterval, NoHealthcheck,
        BlkioWeight, BlkioWeightDevice, CidFile, CpusetCpus, CpusetMems, CpuCount, CpuPercent, CpuPeriod, CpuQuota, CpuRtPeriod, CpuRtRuntime,
        CpuShares, Cpus, DeviceReadBps, DeviceReadIops, DeviceWriteBps, DeviceWriteIops, IoMaxBandwidth, IoMaxIops, KernelMemory, Memory,
        MemoryReservation, MemorySwap, MemorySwappiness, OomKillDisable, OomScoreAdj, PidsLimit,
        CgroupParent, Ipc, Isolation, Pid, ShmSize, Uts, Runtime, Init, Annotation, UseApiSocket,
        Name, Pull, Quiet, Platform, Help, DisableContentTrust,
    ];

    private static SortedDictionary<string, Ulimit> AddUlimit(string text, IReadOnlyDictionary<string, Ulimit> previous)
    {
        var limit = ResourceOptions.ParseUlimit(text);
        return new SortedDictionary<string, Ulimit>(previous.ToDictionary(), StringComparer.Ordinal) { [limit.Name!] = limit };
    }

    private static string CheckAttach(string text) => text.ToLowerInvariant() is "stdin" or "stdout" or "stderr"
        ? text.ToLowerInvariant()
        : throw new FormatException("valid streams are STDIN, STDOUT and STDERR");

    private static string CheckAddress(string text) => IsAddress(text.Trim())
        ? text.Trim()
        : throw new FormatException($"IP address is not correctly formatted: {text.Trim()}");

    private static string CheckIp(string text) => IsAddress(text) || text.Length == 0
        ? text
        : throw new FormatException($"failed to parse IP: {GoQuote.Quote(text)}");

    private static bool IsAddress(string text) =>
        IPAddress.TryParse(text, out _) && (text.Contains(':') || text.Count(static c => c == '.') == 3);

    private static string CheckDomain(string text)
    {
        var domain = text.Trim();
        if (domain == ".")
        {
            return domain;
        }

        return domain.Length is > 0 and <= 255 && domain.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_')
            && domain.Any(char.IsAsciiLetter)
            ? domain
            : throw new FormatException($"{text} is not a valid domain");
    }

    private static string CheckDeviceRule(string text)
    {
        var parts = text.Split(' ');
        var ok = parts.Length == 3 && parts[0] is "a" or "c" or "b"
            && parts[1].Split(':') is [var major, var minor] && IsNumberOrStar(major) && IsNumberOrStar(minor)
            && parts[2].Length is > 0 and <= 3 && parts[2].All(static c => c is 'r' or 'w' or 'm');
        return ok ? text : throw new FormatException($"invalid device cgroup format '{text}'");

        static bool IsNumberOrStar(string part) => part == "*" || (part.Length > 0 && part.All(char.IsAsciiDigit));
    }

    private static string CheckExtraHost(string text)
    {
        var separator = text.IndexOf('=') is > 0 and var equals ? equals : text.IndexOf(':');
        if (separator <= 0)
        {
            throw new FormatException($"bad format for add-host: {GoQuote.Quote(text)}");
        }

        var (host, address) = (text[..separator], text[(separator + 1)..]);
        if (address.StartsWith('[') && address.EndsWith(']'))
        {
            address = address[1..^1];
        }

        return address == "host-gateway" || IsAddress(address)
            ? $"{host}:{address}"
            : throw new FormatException($"invalid IP address in add-host: {GoQuote.Quote(address)}");
    }

    private static string CheckLink(string text)
    {
        var parts = text.Split(':');
        return parts.Length > 2 || text.Length == 0
            ? throw new FormatException(text.Length == 0 ? "empty string specified for links" : $"bad format for links: {text}")
            : text;
    }

    private static string CheckSysctl(string text)
    {
        var (name, _) = MapOption.Split(text);
        return text.Contains('=') && name.Length > 0 && (name is "kernel.msgmax" or "kernel.msgmnb" or "kernel.msgmni" or "kernel.sem" or "kernel.shmall"
                or "kernel.shmmax" or "kernel.shmmni" or "kernel.shm_rmid_forced" or "kernel.domainname" || name.StartsWith("net.", StringComparison.Ordinal)
                || name.StartsWith("fs.mqueue.", StringComparison.Ordinal))
            ? text
            : throw new FormatException($"sysctl '{text}' is not allowed");
    }
}
