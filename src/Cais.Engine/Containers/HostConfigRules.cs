using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Cais.Api;
using Cais.Engine.Logs;
using Cais.Engine.Specs;

namespace Cais.Engine.Containers;

/// <summary>What a container may ask of its host: docker's checks in docker's words, and docker's defaults for what is not said.</summary>
internal static class HostConfigRules
{
    private const long LeastMemory = 6 << 20;

    /// <summary>Checks it. Throws <see cref="EngineException"/> with docker's sentence for the first thing wrong.</summary>
    public static void Check(ContainerConfig config, HostConfig host, EngineOptions options, HostFacts facts)
    {
        Modes(config, host);
        UserSpaces.Check(host, options.ContainerIds is not null);
        if (host.StorageOpt is { Count: > 0 })
        {
            throw EngineException.InvalidParameter(
                "--storage-opt is not supported: the overlay file system here has no quotas for containers (docker needs xfs with the pquota mount option for it)");
        }

        if (host.Isolation is not (null or "" or "default"))
        {
            throw EngineException.InvalidParameter($"invalid isolation ({host.Isolation}): linux only supports 'default'");
        }

        foreach (var annotation in host.Annotations?.Keys ?? [])
        {
            if (annotation.Length == 0)
            {
                throw EngineException.InvalidParameter("invalid Annotations: the empty string is not permitted as an annotation key");
            }
        }
        Restart(host);
        Resources(host, facts);
        foreach (var extra in host.ExtraHosts ?? [])
        {
            ExtraHost(extra);
        }

        foreach (var dns in host.Dns ?? [])
        {
            if (!IPAddress.TryParse(dns, out _))
            {
                throw EngineException.InvalidParameter($"bad nameserver address: invalid IP address: {dns}");
            }
        }

        foreach (var exposed in (config.ExposedPorts?.Keys ?? []).Concat(host.PortBindings?.Keys ?? []))
        {
            if (!PortSpec.TryParse(exposed, out _))
            {
                throw EngineException.InvalidParameter($"invalid port specification: \"{exposed}\"");
            }
        }

        CapabilitySet.Check(host.CapAdd, "CapAdd");
        CapabilitySet.Check(host.CapDrop, "CapDrop");
        SecurityOptions.Parse(host.SecurityOpt);
        SpecGenerator.CheckSysctls(host);
        foreach (var rule in host.DeviceCgroupRules ?? [])
        {
            Devices.ParseRule(rule);
        }

        if (host.Runtime is { Length: > 0 } runtime && !IsRuntime(runtime, options))
        {
            throw EngineException.InvalidParameter($"unknown or invalid runtime name: {runtime}");
        }

        var log = Logging(host.LogConfig, options);
        LogDrivers.Validate(log.Type!, log.Config!);
    }

    /// <summary>The daemon's options are for its driver, whether a container names that or none.</summary>
    private static LogConfig Logging(LogConfig? asked, EngineOptions options)
    {
        var driver = string.IsNullOrEmpty(asked?.Type) ? options.LogDriver : asked.Type;
        var config = new Dictionary<string, string>(asked?.Config ?? new Dictionary<string, string>());
        foreach (var (name, value) in driver == options.LogDriver ? options.LogOptions : new Dictionary<string, string>())
        {
            config.TryAdd(name, value);
        }

        return new LogConfig { Type = driver, Config = config };
    }

    /// <summary>Fills in what was not said, so that inspect shows what holds.</summary>
    public static HostConfig Complete(HostConfig host, EngineOptions options, HostFacts facts) => host with
    {
        ContainerIDFile = host.ContainerIDFile ?? "",
        LogConfig = Logging(host.LogConfig, options),
        NetworkMode = host.NetworkMode is null or "" or "default" ? "bridge" : host.NetworkMode,
        PortBindings = host.PortBindings ?? new Dictionary<string, IReadOnlyList<PortBinding>?>(),
        RestartPolicy = new RestartPolicy
        {
            Name = string.IsNullOrEmpty(host.RestartPolicy?.Name) ? "no" : host.RestartPolicy.Name,
            MaximumRetryCount = host.RestartPolicy?.MaximumRetryCount ?? 0,
        },
        AutoRemove = host.AutoRemove ?? false,
        VolumeDriver = host.VolumeDriver ?? "",
        ConsoleSize = host.ConsoleSize ?? [0, 0],
        CapAdd = host.CapAdd is { Count: > 0 } ? CapabilitySet.Check(host.CapAdd, "CapAdd") : null,
        CapDrop = host.CapDrop is { Count: > 0 } ? CapabilitySet.Check(host.CapDrop, "CapDrop") : null,
        CgroupnsMode = string.IsNullOrEmpty(host.CgroupnsMode)
            ? host.Privileged == true && facts.CgroupVersion == 1 ? "host" : options.DefaultCgroupNamespaceMode ?? (facts.CgroupVersion == 2 ? "private" : "host")
            : host.CgroupnsMode,
        Dns = host.Dns ?? [],
        DnsOptions = host.DnsOptions ?? [],
        DnsSearch = host.DnsSearch ?? [],
        IpcMode = string.IsNullOrEmpty(host.IpcMode) ? options.DefaultIpcMode : host.IpcMode,
        Cgroup = host.Cgroup ?? "",
        OomScoreAdj = host.OomScoreAdj ?? 0,
        PidMode = host.PidMode ?? "",
        Privileged = host.Privileged ?? false,
        PublishAllPorts = host.PublishAllPorts ?? false,
        ReadonlyRootfs = host.ReadonlyRootfs ?? false,
        SecurityOpt = Security(host),
        UTSMode = host.UTSMode ?? "",
        UsernsMode = host.UsernsMode ?? "",
        ShmSize = host.ShmSize is > 0 ? host.ShmSize : options.DefaultShmSize,
        Runtime = string.IsNullOrEmpty(host.Runtime) ? options.DefaultRuntime : host.Runtime,
        Isolation = host.Isolation ?? "",
        CpuShares = host.CpuShares ?? 0,
        Memory = host.Memory ?? 0,
        NanoCpus = host.NanoCpus ?? 0,
        CgroupParent = host.CgroupParent ?? "",
        BlkioWeight = host.BlkioWeight ?? 0,
        CpuPeriod = host.CpuPeriod ?? 0,
        CpuQuota = host.CpuQuota ?? 0,
        CpuRealtimePeriod = host.CpuRealtimePeriod ?? 0,
        CpuRealtimeRuntime = host.CpuRealtimeRuntime ?? 0,
        CpusetCpus = host.CpusetCpus ?? "",
        CpusetMems = host.CpusetMems ?? "",
        MemoryReservation = host.MemoryReservation ?? 0,
        MemorySwap = host.MemorySwap is { } swap and not 0 ? swap : host.Memory is > 0 ? host.Memory * 2 : 0,
        MemorySwappiness = host.MemorySwappiness == -1 ? null : host.MemorySwappiness,
        PidsLimit = host.PidsLimit is > 0 ? host.PidsLimit : null,
        CpuCount = host.CpuCount ?? 0,
        CpuPercent = host.CpuPercent ?? 0,
        IOMaximumIOps = host.IOMaximumIOps ?? 0,
        IOMaximumBandwidth = host.IOMaximumBandwidth ?? 0,
        MaskedPaths = host.Privileged == true ? null : host.MaskedPaths ?? SpecGenerator.DefaultMaskedPaths,
        ReadonlyPaths = host.Privileged == true ? null : host.ReadonlyPaths ?? SpecGenerator.DefaultReadonlyPaths,
    };

    /// <summary>Labels would be in the way of who sees the host's processes or memory, and docker shows that they are off.</summary>
    private static IReadOnlyList<string>? Security(HostConfig host)
    {
        var unlabelled = host.Privileged == true || host.IpcMode == "host" || host.PidMode == "host";
        return unlabelled && !(host.SecurityOpt ?? []).Any(o => o.StartsWith("label", StringComparison.Ordinal))
            ? [.. host.SecurityOpt ?? [], "label=disable"]
            : host.SecurityOpt;
    }

    public static void Restart(HostConfig host)
    {
        if (host.RestartPolicy is not { } policy)
        {
            return;
        }

        switch (policy.Name)
        {
            case "always" or "unless-stopped" or "no" when policy.MaximumRetryCount is not (null or 0):
                throw EngineException.InvalidParameter(
                    "invalid restart policy: maximum retry count can only be used with 'on-failure'"
                    + (policy.MaximumRetryCount < 0 ? " and cannot be negative" : ""));
            case "on-failure" when policy.MaximumRetryCount < 0:
                throw EngineException.InvalidParameter("invalid restart policy: maximum retry count cannot be negative");
            case null or "" or "no" or "always" or "unless-stopped" or "on-failure":
                break;
            default:
                throw EngineException.InvalidParameter(
                    $"invalid restart policy: unknown policy '{policy.Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
        }

        if (host.AutoRemove == true && policy.Name is not (null or "" or "no"))
        {
            throw EngineException.InvalidParameter("can't create 'AutoRemove' container with restart policy");
        }
    }

    public static void Resources(HostConfig host, HostFacts facts)
    {
        static void Require(bool holds, string message)
        {
            if (!holds)
            {
                throw EngineException.InvalidParameter(message);
            }
        }

        var memory = host.Memory ?? 0;
        Require(memory is 0 or >= LeastMemory, "Minimum memory limit allowed is 6MB");
        Require(!(memory > 0 && host.MemorySwap > 0 && host.MemorySwap < memory), "Minimum memoryswap limit should be larger than memory limit, see usage");
        Require(!(memory == 0 && host.MemorySwap > 0), "You should always set the Memory limit when using Memoryswap limit, see usage");
        Require(
            host.MemorySwappiness is null or (>= -1 and <= 100),
            string.Create(CultureInfo.InvariantCulture, $"Invalid value: {host.MemorySwappiness}, valid memory swappiness range is 0-100"));
        Require(host.MemoryReservation is null or 0 or >= LeastMemory, "Minimum memory reservation allowed is 6MB");
        Require(!(memory > 0 && host.MemoryReservation > memory), "Minimum memory limit can not be less than memory reservation limit, see usage");
        Require(!(host.NanoCpus > 0 && host.CpuPeriod > 0), "Conflicting options: Nano CPUs and CPU Period cannot both be set");
        Require(!(host.NanoCpus > 0 && host.CpuQuota > 0), "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
        Require(
            host.NanoCpus is null or >= 0 && !(host.NanoCpus > facts.Processors * 1_000_000_000L),
            string.Create(
                CultureInfo.InvariantCulture,
                $"range of CPUs is from 0.01 to {facts.Processors}.00, as there are only {facts.Processors} CPUs available"));
        Require(host.CpuShares is null or >= 0, string.Create(CultureInfo.InvariantCulture, $"invalid CPU shares ({host.CpuShares}): value must be a positive integer"));
        Require(
            host.CpuPeriod is null or 0 or (>= 1000 and <= 1_000_000),
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
        Require(host.CpuQuota is null or 0 or -1 or >= 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
        Require(host.BlkioWeight is null or 0 or (>= 10 and <= 1000), "Range of blkio weight is from 10 to 1000");
        foreach (var device in host.BlkioWeightDevice ?? [])
        {
            Require(device.Weight is null or 0 or (>= 10 and <= 1000), "Range of blkio weight is from 10 to 1000");
        }

        var realtime = host.CpuRealtimePeriod ?? 0;
        Require(
            realtime == 0 && host.CpuRealtimeRuntime is null or 0 || facts.HasRealtimeCpu,
            "kernel does not support CPU real-time scheduler");
        Require(!(realtime > 0 && host.CpuRealtimeRuntime > realtime), "cpu real-time runtime cannot be higher than cpu real-time period");
        Require(
            host.OomScoreAdj is null or (>= -1000 and <= 1000),
            string.Create(CultureInfo.InvariantCulture, $"Invalid value {host.OomScoreAdj}, range for oom score adj is [-1000, 1000]"));
        Require(host.ShmSize is null or >= 0, "SHM size can not be less than 0");
        CpuList(host.CpusetCpus, "cpuset cpus");
        CpuList(host.CpusetMems, "cpuset mems");
        Available(host.CpusetCpus, facts.OnlineCpus, "CPUs");
        Available(host.CpusetMems, facts.OnlineMemories, "memory nodes");
        foreach (var limit in host.Ulimits ?? [])
        {
            Require(
                limit.Name is "core" or "cpu" or "data" or "fsize" or "locks" or "memlock" or "msgqueue" or "nice" or "nofile" or "nproc" or "rss" or "rtprio"
                    or "rttime" or "sigpending" or "stack",
                $"invalid ulimit type: {limit.Name}");
            Require(!(limit.Hard != -1 && limit.Soft > limit.Hard), string.Create(CultureInfo.InvariantCulture, $"ulimit soft limit must be less than or equal to hard limit: {limit.Soft} > {limit.Hard}"));
        }
    }

    /// <summary>Whether containers can be run by a runtime of this name.</summary>
    public static bool IsRuntime(string name, EngineOptions options) => Shims.RuntimeResolver.Resolve(name, options) is not null;

    /// <summary>What a limit asks for that this machine's cgroups cannot give; it is then left away, with docker's warning.</summary>
    public static (HostConfig Host, IReadOnlyList<string> Warnings) Discard(HostConfig host, HostFacts facts)
    {
        var warnings = new List<string>();
        if (facts.CgroupVersion == 2)
        {
            if (host.OomKillDisable == true)
            {
                warnings.Add("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
                host = host with { OomKillDisable = null };
            }

            if (host.MemorySwappiness is >= 0)
            {
                warnings.Add("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.");
                host = host with { MemorySwappiness = null };
            }
        }
        else
        {
            if (host.OomKillDisable == true && host.Memory is null or 0)
            {
                warnings.Add("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
            }

            if (host.BlkioWeightDevice is { Count: > 0 } && !facts.HasBlkioWeightDevice)
            {
                warnings.Add("Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.");
                host = host with { BlkioWeightDevice = [] };
            }
        }

        return (host, warnings);
    }

    private static void Available(string? text, IReadOnlySet<int> available, string what)
    {
        if (string.IsNullOrEmpty(text) || available.Count == 0)
        {
            return;
        }

        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-');
            var (first, last) = (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture));
            if (last - first > 8192 || !Enumerable.Range(first, Math.Max(0, last - first) + 1).All(available.Contains))
            {
                throw EngineException.InvalidParameter($"Requested {what} are not available - requested {text}, available: {HostFacts.ListOf(available)}");
            }
        }
    }

    private static void CpuList(string? text, string what)
    {
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-');
            if (ends.Length > 2 || !ends.All(e => int.TryParse(e, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
            {
                throw EngineException.InvalidParameter($"Invalid value {text} for {what}: invalid format: {text}");
            }
        }
    }

    private static void ExtraHost(string text)
    {
        var separator = text.IndexOfAny([':', '=']);
        if (separator <= 0)
        {
            throw EngineException.InvalidParameter($"bad format for add-host: \"{text}\"");
        }

        var address = text[(separator + 1)..].Trim('[', ']');
        if (address != "host-gateway" && !IPAddress.TryParse(address, out _))
        {
            throw EngineException.InvalidParameter($"invalid IP address in add-host: \"{address}\"");
        }
    }

    private static void Modes(ContainerConfig config, HostConfig host)
    {
        var sharesNetwork = Namespaces.ContainerOf(host.NetworkMode) is not null;
        if (host.NetworkMode == "container:")
        {
            throw EngineException.InvalidParameter("invalid container format container:<name|id>");
        }

        if ((sharesNetwork || host.UTSMode == "host") && config.Hostname is { Length: > 0 })
        {
            throw EngineException.InvalidParameter(sharesNetwork
                ? "conflicting options: hostname and the network mode"
                : "conflicting options: hostname and the UTS mode");
        }

        if (sharesNetwork && (host.Dns is { Count: > 0 }))
        {
            throw EngineException.InvalidParameter("conflicting options: dns and the network mode");
        }

        if ((sharesNetwork || host.NetworkMode == "host") && host.Links is { Count: > 0 })
        {
            throw EngineException.InvalidParameter(sharesNetwork
                ? "conflicting options: container type network can't be used with links. This would result in undefined behavior"
                : "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
        }

        if (sharesNetwork && (host.PortBindings is { Count: > 0 } || host.PublishAllPorts == true))
        {
            throw EngineException.InvalidParameter("conflicting options: port publishing and the container type network mode");
        }

        if (sharesNetwork && host.ExtraHosts is { Count: > 0 })
        {
            throw EngineException.InvalidParameter("conflicting options: custom host-to-IP mapping and the network mode");
        }

        if (host.IpcMode is { Length: > 0 } ipc && ipc is not ("none" or "private" or "shareable" or "host") && Namespaces.ContainerOf(ipc) is not { Length: > 0 })
        {
            throw EngineException.InvalidParameter($"invalid IPC mode: {ipc}");
        }

        if (host.PidMode is { Length: > 0 } pid && pid is not "host" && Namespaces.ContainerOf(pid) is not { Length: > 0 })
        {
            throw EngineException.InvalidParameter($"invalid PID mode: {pid}");
        }

        if (host.UTSMode is not (null or "" or "host"))
        {
            throw EngineException.InvalidParameter($"invalid UTS mode: {host.UTSMode}");
        }

        if (host.CgroupnsMode is not (null or "" or "host" or "private"))
        {
            throw EngineException.InvalidParameter($"invalid cgroup namespace mode: {host.CgroupnsMode}");
        }

        if (host.UsernsMode is not (null or "" or "host"))
        {
            throw EngineException.InvalidParameter($"invalid user namespace mode: {host.UsernsMode}");
        }
    }

    /// <summary>Checks the addresses a container asks for in its networks.</summary>
    public static void Endpoint(string network, EndpointSettings settings)
    {
        var wrong = new List<string>();
        var predefined = network is "bridge" or "host" or "none" or "default";
        var asked = new[] { ("IPv4", settings.IPAMConfig?.IPv4Address), ("IPv6", settings.IPAMConfig?.IPv6Address) };
        if (predefined && asked.Any(a => !string.IsNullOrEmpty(a.Item2)))
        {
            wrong.Add("user specified IP address is supported on user defined networks only");
            wrong.Add("user specified IP address is supported only when connecting to networks with user configured subnets");
        }

        foreach (var (what, address) in asked.Concat((settings.IPAMConfig?.LinkLocalIPs ?? []).Select(a => ("link-local IP", (string?)a))))
        {
            if (!string.IsNullOrEmpty(address) && !IPAddress.TryParse(address, out _))
            {
                wrong.Add(what == "link-local IP" ? $"invalid link-local IP address: {address}" : $"invalid {what} address: {address}");
            }
        }

        if (predefined && settings.Aliases is { Count: > 0 })
        {
            wrong.Add("network-scoped alias is supported only for containers in user defined networks");
        }

        if (wrong.Count > 0)
        {
            throw EngineException.InvalidParameter(
                $"invalid config for network {(network == "default" ? "bridge" : network)}: invalid endpoint settings:\n{(wrong.Count == 1 ? wrong[0] : string.Join('\n', wrong.Select(w => "* " + w)))}");
        }

        if (settings.MacAddress is { Length: > 0 } mac && !PhysicalAddress.TryParse(mac.Replace(':', '-').ToUpperInvariant(), out _))
        {
            throw EngineException.InvalidParameter($"invalid endpoint settings: invalid MAC address: {mac} in network {network}");
        }
    }
}
