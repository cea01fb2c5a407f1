using System.Text.Json;
using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Values;
using static Cais.Cli.Commands.Containers.ContainerFlags;

namespace Cais.Cli.Commands.Containers;

/// <summary>Makes the request that creates a container out of the flags, after checking what only several of them together can get wrong.</summary>
internal sealed class CreateRequestBuilder(ParsedFlags flags, string image, IReadOnlyList<string> command, Session session)
{
    private static readonly Dictionary<string, JsonElement> EmptyObject = [];

    private readonly List<string> _attach = [.. flags.Get(Attach)];

    public bool Stdin => flags.Get(Interactive);

    public bool Tty => flags.Get(ContainerFlags.Tty);

    /// <summary>What was said with <c>-a</c>; nothing said means output and error output, and input when it is interactive.</summary>
    public bool AttachStdin => _attach.Contains("stdin") || Stdin;

    public bool AttachStdout => _attach.Contains("stdout") || _attach.Count == 0;

    public bool AttachStderr => _attach.Contains("stderr") || _attach.Count == 0;

    /// <exception cref="FormatException">The flags contradict each other or have a value that is none.</exception>
    public ContainerCreateRequest Build(bool detach)
    {
        if (flags.Get(MacAddress) is { Length: > 0 } mac && !IsMacAddress(mac))
        {
            throw new FormatException($"{mac} is not a valid mac address");
        }

        if (flags.Get(MemorySwappiness) is not -1 and (< 0 or > 100) and var swappiness)
        {
            throw new FormatException($"invalid value: {swappiness}. Valid memory swappiness range is 0-100");
        }

        var (binds, volumes) = Volumes();
        var restart = ResourceOptions.ParseRestart(flags.Get(Restart));
        CheckModes(restart);
        var (exposed, bindings) = Ports();
        var attached = !detach;
        return new ContainerCreateRequest
        {
            Image = image,
            Hostname = flags.Get(Hostname),
            Domainname = flags.Get(Domainname),
            User = flags.Get(User),
            Tty = Tty,
            OpenStdin = Stdin,
            StdinOnce = attached && Stdin && AttachStdin,
            AttachStdin = attached && AttachStdin,
            AttachStdout = attached && AttachStdout,
            AttachStderr = attached && AttachStderr,
            ExposedPorts = exposed,
            Env = EnvironmentOption.Collect(flags.Get(EnvFile), flags.Get(Env), session.RawEnvironment),
            Cmd = command.Count > 0 ? command : null,
            Entrypoint = flags.Changed(Entrypoint) ? [flags.Get(Entrypoint)] : null,
            Volumes = volumes,
            WorkingDir = flags.Get(Workdir),
            Labels = MapOption.FromPairs(EnvironmentOption.Collect(flags.Get(LabelFile), flags.Get(Label), null)),
            StopSignal = Given(StopSignal),
            StopTimeout = flags.Changed(StopTimeout) ? flags.Get(StopTimeout) : null,
            Healthcheck = Health(),
            HostConfig = HostConfig(binds, bindings, restart),
            NetworkingConfig = NetworkingBuilder.Build(flags),
        };
    }

    private HostConfig HostConfig(IReadOnlyList<string> binds, IReadOnlyDictionary<string, IReadOnlyList<PortBinding>?> bindings, RestartPolicy restart)
    {
        var networks = flags.Get(Network);
        var (security, bare) = SecurityOptions.Resolve(flags.Get(SecurityOpt));
        var capabilities = CapabilityOption.Resolve(flags.Get(CapAdd), flags.Get(CapDrop));
        return new HostConfig
        {
            Binds = binds.Count > 0 ? binds : null,
            ContainerIDFile = Given(ContainerFlags.CidFile),
            NetworkMode = networks.Count > 0 ? networks[0].Target : "default",
            PortBindings = bindings,
            PublishAllPorts = Set(PublishAll),
            RestartPolicy = restart,
            AutoRemove = Set(Remove),
            Privileged = Set(ContainerFlags.Privileged),
            ReadonlyRootfs = Set(ReadOnly),
            VolumeDriver = Given(VolumeDriver),
            VolumesFrom = Many(VolumesFrom),
            Mounts = flags.Get(Mount) is { Count: > 0 } mounts ? mounts : null,
            CapAdd = capabilities.Add,
            CapDrop = capabilities.Drop,
            CgroupnsMode = Given(Cgroupns),
            Dns = Many(Dns),
            DnsOptions = Many(DnsOption),
            DnsSearch = Many(DnsSearch),
            ExtraHosts = Many(AddHost),
            GroupAdd = Many(GroupAdd),
            IpcMode = Given(Ipc),
            Links = Many(Link),
            OomScoreAdj = flags.Get(OomScoreAdj) is not 0 and var score ? score : null,
            PidMode = Given(Pid),
            SecurityOpt = security.Count > 0 ? security : null,
            MaskedPaths = bare ? [] : null,
            ReadonlyPaths = bare ? [] : null,
            StorageOpt = Options(StorageOpt, "storage"),
            Tmpfs = TmpfsMounts(),
            UTSMode = Given(Uts),
            UsernsMode = Given(Userns),
            ShmSize = flags.Get(ShmSize),
            Sysctls = flags.Get(Sysctl) is { Count: > 0 } sysctls ? sysctls : null,
            Runtime = Given(Runtime),
            Isolation = Given(Isolation),
            Annotations = flags.Get(Annotation) is { Count: > 0 } annotations ? annotations : null,
            LogConfig = new LogConfig { Type = flags.Get(LogDriver), Config = LogOptions() },
            Init = flags.Changed(Init) ? flags.Get(Init) : null,
            CgroupParent = Given(CgroupParent),
            Memory = flags.Get(Memory),
            MemoryReservation = flags.Get(MemoryReservation),
            MemorySwap = flags.Get(MemorySwap),
            MemorySwappiness = flags.Get(MemorySwappiness),
            OomKillDisable = flags.Get(OomKillDisable),
            NanoCpus = flags.Get(Cpus),
            CpuShares = flags.Get(CpuShares),
            CpuPeriod = flags.Get(CpuPeriod),
            CpuQuota = flags.Get(CpuQuota),
            CpuRealtimePeriod = flags.Get(CpuRtPeriod),
            CpuRealtimeRuntime = flags.Get(CpuRtRuntime),
            CpusetCpus = flags.Get(CpusetCpus),
            CpusetMems = flags.Get(CpusetMems),
            PidsLimit = flags.Get(PidsLimit) is not 0 and var pids ? pids : null,
            BlkioWeight = (int)flags.Get(BlkioWeight),
            BlkioWeightDevice = [.. flags.Get(BlkioWeightDevice).Select(WeightDevice)],
            BlkioDeviceReadBps = [.. flags.Get(DeviceReadBps).Select(static t => ResourceOptions.Throttle(t, ByteSize.Parse))],
            BlkioDeviceWriteBps = [.. flags.Get(DeviceWriteBps).Select(static t => ResourceOptions.Throttle(t, ByteSize.Parse))],
            BlkioDeviceReadIOps = [.. flags.Get(DeviceReadIops).Select(static t => ResourceOptions.Throttle(t, static n => (long)GoNumber.ParseUint(n, 63)))],
            BlkioDeviceWriteIOps = [.. flags.Get(DeviceWriteIops).Select(static t => ResourceOptions.Throttle(t, static n => (long)GoNumber.ParseUint(n, 63)))],
            Devices = Devices(),
            DeviceCgroupRules = Many(DeviceCgroupRule),
            DeviceRequests = DeviceRequests(),
            Ulimits = flags.Get(UlimitFlag) is { Count: > 0 } limits ? [.. limits.Values] : null,
        };
    }

    private void CheckModes(RestartPolicy restart)
    {
        if (flags.Get(Pid) is { Length: > 0 } pid && pid != "host" && !IsContainer(pid))
        {
            throw new FormatException("--pid: invalid PID mode");
        }

        if (flags.Get(Uts) is not ("" or "host"))
        {
            throw new FormatException("--uts: invalid UTS mode");
        }

        if (flags.Get(Userns) is not ("" or "host"))
        {
            throw new FormatException("--userns: invalid USER mode");
        }

        if (flags.Get(Cgroupns) is not ("" or "host" or "private"))
        {
            throw new FormatException("--cgroupns: invalid CGROUP mode");
        }

        if (flags.Get(Remove) && restart.Name is not ("" or "no"))
        {
            throw new FormatException("conflicting options: cannot specify both --restart and --rm");
        }

        static bool IsContainer(string mode) => mode.StartsWith("container:", StringComparison.Ordinal) && mode.Length > "container:".Length;
    }

    private (IReadOnlyList<string> Binds, IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>?> Volumes) Volumes()
    {
        var binds = new List<string>();
        var anonymous = new Dictionary<string, IReadOnlyDictionary<string, JsonElement>?>();
        foreach (var text in flags.Get(Volume))
        {
            if (text.Length == 0)
            {
                throw new FormatException("invalid empty volume spec");
            }

            var spec = VolumeSpec.Parse(text);
            if (spec.Source is null)
            {
                anonymous[spec.Target] = EmptyObject;
            }
            else
            {
                binds.Add(spec.ToBind());
            }
        }

        return (binds, anonymous);
    }

    private (IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>?>? Exposed, IReadOnlyDictionary<string, IReadOnlyList<PortBinding>?> Bindings) Ports()
    {
        Dictionary<string, IReadOnlyDictionary<string, JsonElement>?>? exposed = null;
        var bindings = new Dictionary<string, List<PortBinding>>();
        foreach (var (port, binding) in flags.Get(Publish).SelectMany(PortSpec.Parse))
        {
            (exposed ??= [])[port] = EmptyObject;
            if (!bindings.TryGetValue(port, out var list))
            {
                bindings[port] = list = [];
            }

            list.Add(binding);
        }

        foreach (var port in flags.Get(Expose).SelectMany(PortSpec.ParseExposed))
        {
            (exposed ??= [])[port] = EmptyObject;
        }

        return (exposed, bindings.ToDictionary(static b => b.Key, static b => (IReadOnlyList<PortBinding>?)b.Value));
    }

    private HealthConfig? Health()
    {
        var given = flags.Get(HealthCmd).Length > 0 || flags.Get(HealthInterval) != 0 || flags.Get(HealthTimeout) != 0
            || flags.Get(HealthStartPeriod) != 0 || flags.Get(HealthRetries) != 0 || flags.Get(HealthStartInterval) != 0;
        if (flags.Get(NoHealthcheck))
        {
            return given ? throw new FormatException("--no-healthcheck conflicts with --health-* options") : new HealthConfig { Test = ["NONE"] };
        }

        if (!given)
        {
            return null;
        }

        foreach (var flag in new[] { HealthInterval, HealthTimeout, HealthStartPeriod, HealthStartInterval })
        {
            if (flags.Get(flag) < 0)
            {
                throw new FormatException($"--{flag.Name} cannot be negative");
            }
        }

        if (flags.Get(HealthRetries) < 0)
        {
            throw new FormatException("--health-retries cannot be negative");
        }

        return new HealthConfig
        {
            Test = flags.Get(HealthCmd).Length > 0 ? ["CMD-SHELL", flags.Get(HealthCmd)] : null,
            Interval = flags.Get(HealthInterval),
            Timeout = flags.Get(HealthTimeout),
            StartPeriod = flags.Get(HealthStartPeriod),
            StartInterval = flags.Get(HealthStartInterval),
            Retries = flags.Get(HealthRetries),
        };
    }

    private Dictionary<string, string>? TmpfsMounts()
    {
        if (flags.Get(Tmpfs) is not { Count: > 0 } mounts)
        {
            return null;
        }

        var map = new Dictionary<string, string>();
        foreach (var mount in mounts)
        {
            var colon = mount.IndexOf(':');
            map[colon < 0 ? mount : mount[..colon]] = colon < 0 ? "" : mount[(colon + 1)..];
        }

        return map;
    }

    private IReadOnlyDictionary<string, string> LogOptions()
    {
        var options = flags.Get(LogOpt);
        return options.Count > 0 && flags.Get(LogDriver) == "none"
            ? throw new FormatException($"invalid logging opts for driver {flags.Get(LogDriver)}")
            : MapOption.FromPairs(options);
    }

    private List<DeviceMapping>? Devices()
    {
        var devices = flags.Get(Device).Where(static d => !IsCdiName(d)).Select(ResourceOptions.ParseDevice).ToList();
        return devices.Count > 0 ? devices : null;
    }

    /// <summary>GPUs, and devices named in CDI's way (<c>vendor.com/class=name</c>).</summary>
    private List<DeviceRequest>? DeviceRequests()
    {
        var requests = new List<DeviceRequest>();
        if (flags.Get(Gpus) is { } gpus)
        {
            requests.Add(gpus);
        }

        var cdi = flags.Get(Device).Where(IsCdiName).ToList();
        if (cdi.Count > 0)
        {
            requests.Add(new DeviceRequest { Driver = "cdi", DeviceIDs = cdi });
        }

        return requests.Count > 0 ? requests : null;
    }

    private static bool IsMacAddress(string text) =>
        text.Length == 17 && text.Where(static (_, i) => i % 3 == 2).All(static c => c is ':' or '-') && text.Where(static (_, i) => i % 3 != 2).All(char.IsAsciiHexDigit);

    private static bool IsCdiName(string device) => !device.StartsWith('/') && device.Contains('/') && device.IndexOf('=') > device.IndexOf('/');

    private static WeightDevice WeightDevice(string text)
    {
        var colon = text.IndexOf(':');
        return new WeightDevice { Path = text[..colon], Weight = (int)GoNumber.ParseUint(text[(colon + 1)..], 16) };
    }

    private IReadOnlyDictionary<string, string>? Options(Flag<IReadOnlyList<string>> flag, string kind)
    {
        var pairs = flags.Get(flag);
        if (pairs.FirstOrDefault(static p => !p.Contains('=')) is not null)
        {
            throw new FormatException($"invalid {kind} option");
        }

        return pairs.Count > 0 ? MapOption.FromPairs(pairs) : null;
    }

    private string? Given(Flag<string> flag) => flags.Get(flag) is { Length: > 0 } text ? text : null;

    private bool? Set(Flag<bool> flag) => flags.Get(flag) ? true : null;

    private IReadOnlyList<string>? Many(Flag<IReadOnlyList<string>> flag) => flags.Get(flag) is { Count: > 0 } list ? list : null;
}
