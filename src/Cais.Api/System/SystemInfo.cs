namespace Cais.Api;

public sealed record SystemInfo
{
    /// <summary>Unique identifier of the daemon.</summary>
    public string? ID { get; init; }

    /// <summary>Total number of containers on the host.</summary>
    public long? Containers { get; init; }

    /// <summary>Number of containers with status `"running"`.</summary>
    public long? ContainersRunning { get; init; }

    /// <summary>Number of containers with status `"paused"`.</summary>
    public long? ContainersPaused { get; init; }

    /// <summary>Number of containers with status `"stopped"`.</summary>
    public long? ContainersStopped { get; init; }

    /// <summary>Total number of images on the host.</summary>
    public long? Images { get; init; }

    /// <summary>Name of the storage driver in use.</summary>
    public string? Driver { get; init; }

    /// <summary>Information specific to the storage driver, provided as "label" / "value" pairs.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? DriverStatus { get; init; }

    /// <summary>Root directory of persistent Docker state.</summary>
    public string? DockerRootDir { get; init; }

    public PluginsInfo? Plugins { get; init; }

    /// <summary>Indicates if the host has memory limit support enabled.</summary>
    public bool? MemoryLimit { get; init; }

    /// <summary>Indicates if the host has memory swap limit support enabled.</summary>
    public bool? SwapLimit { get; init; }

    /// <summary>Indicates if CPU CFS(Completely Fair Scheduler) period is supported by the host.</summary>
    public bool? CpuCfsPeriod { get; init; }

    /// <summary>Indicates if CPU CFS(Completely Fair Scheduler) quota is supported by the host.</summary>
    public bool? CpuCfsQuota { get; init; }

    /// <summary>Indicates if CPU Shares limiting is supported by the host.</summary>
    public bool? CPUShares { get; init; }

    /// <summary>Indicates if CPUsets (cpuset.cpus, cpuset.mems) are supported by the host.</summary>
    public bool? CPUSet { get; init; }

    /// <summary>Indicates if the host kernel has PID limit support enabled.</summary>
    public bool? PidsLimit { get; init; }

    /// <summary>Indicates if OOM killer disable is supported on the host.</summary>
    public bool? OomKillDisable { get; init; }

    /// <summary>Indicates IPv4 forwarding is enabled.</summary>
    public bool? IPv4Forwarding { get; init; }

    /// <summary>Indicates if the daemon is running in debug-mode / with debug-level logging enabled.</summary>
    public bool? Debug { get; init; }

    /// <summary>The total number of file Descriptors in use by the daemon process.</summary>
    public long? NFd { get; init; }

    /// <summary>The number of goroutines that currently exist.</summary>
    public long? NGoroutines { get; init; }

    /// <summary>Current system-time in [RFC 3339](https://www.ietf.org/rfc/rfc3339.txt) format with nano-seconds.</summary>
    public string? SystemTime { get; init; }

    /// <summary>The logging driver to use as a default for new containers.</summary>
    public string? LoggingDriver { get; init; }

    /// <summary>The driver to use for managing cgroups.</summary>
    public string? CgroupDriver { get; init; }

    /// <summary>The version of the cgroup.</summary>
    public string? CgroupVersion { get; init; }

    /// <summary>Number of event listeners subscribed.</summary>
    public long? NEventsListener { get; init; }

    /// <summary>Kernel version of the host.</summary>
    public string? KernelVersion { get; init; }

    /// <summary>Name of the host's operating system, for example: "Ubuntu 24.04 LTS" or "Windows Server 2016 Datacenter"</summary>
    public string? OperatingSystem { get; init; }

    public string? OSVersion { get; init; }

    /// <summary>Generic type of the operating system of the host, as returned by the Go runtime (`GOOS`).</summary>
    public string? OSType { get; init; }

    /// <summary>Hardware architecture of the host, as returned by the operating system.</summary>
    public string? Architecture { get; init; }

    /// <summary>The number of logical CPUs usable by the daemon.</summary>
    public long? NCPU { get; init; }

    /// <summary>Total amount of physical memory available on the host, in bytes.</summary>
    public long? MemTotal { get; init; }

    public string? IndexServerAddress { get; init; }

    public RegistryServiceConfig? RegistryConfig { get; init; }

    public IReadOnlyList<GenericResource>? GenericResources { get; init; }

    /// <summary>HTTP-proxy configured for the daemon.</summary>
    public string? HttpProxy { get; init; }

    /// <summary>HTTPS-proxy configured for the daemon.</summary>
    public string? HttpsProxy { get; init; }

    /// <summary>Comma-separated list of domain extensions for which no proxy should be used.</summary>
    public string? NoProxy { get; init; }

    /// <summary>Hostname of the host.</summary>
    public string? Name { get; init; }

    /// <summary>User-defined labels (key/value metadata) as set on the daemon.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Indicates if experimental features are enabled on the daemon.</summary>
    public bool? ExperimentalBuild { get; init; }

    /// <summary>Version string of the daemon.</summary>
    public string? ServerVersion { get; init; }

    /// <summary>List of [OCI compliant](https://github.com/opencontainers/runtime-spec) runtimes configured on the daemon.</summary>
    public IReadOnlyDictionary<string, RuntimeInfo>? Runtimes { get; init; }

    /// <summary>Name of the default OCI runtime that is used when starting containers.</summary>
    public string? DefaultRuntime { get; init; }

    public SwarmInfo? Swarm { get; init; }

    /// <summary>Indicates if live restore is enabled.</summary>
    public bool? LiveRestoreEnabled { get; init; }

    /// <summary>Represents the isolation technology to use as a default for containers.</summary>
    public string? Isolation { get; init; }

    /// <summary>Name and, optional, path of the `docker-init` binary.</summary>
    public string? InitBinary { get; init; }

    public CommitInfo? ContainerdCommit { get; init; }

    public CommitInfo? RuncCommit { get; init; }

    public CommitInfo? InitCommit { get; init; }

    public IReadOnlyList<string>? SecurityOptions { get; init; }

    /// <summary>Reports a summary of the product license on the daemon.</summary>
    public string? ProductLicense { get; init; }

    public IReadOnlyList<SystemInfoDefaultAddressPool>? DefaultAddressPools { get; init; }

    public FirewallInfo? FirewallBackend { get; init; }

    /// <summary>List of devices discovered by device drivers.</summary>
    public IReadOnlyList<DeviceInfo>? DiscoveredDevices { get; init; }

    public NRIInfo? NRI { get; init; }

    /// <summary>List of warnings / informational messages about missing features, or issues related to the daemon configuration.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>List of directories where (Container Device Interface) CDI specifications are located.</summary>
    public IReadOnlyList<string>? CDISpecDirs { get; init; }

    public ContainerdInfo? Containerd { get; init; }
}

public sealed record GenericResource
{
    public GenericResourceNamedResourceSpec? NamedResourceSpec { get; init; }

    public GenericResourceDiscreteResourceSpec? DiscreteResourceSpec { get; init; }
}

public sealed record GenericResourceNamedResourceSpec
{
    public string? Kind { get; init; }

    public string? Value { get; init; }
}

public sealed record GenericResourceDiscreteResourceSpec
{
    public string? Kind { get; init; }

    public long? Value { get; init; }
}

public sealed record SystemInfoDefaultAddressPool
{
    /// <summary>The network address in CIDR format</summary>
    public string? Base { get; init; }

    /// <summary>The network pool size</summary>
    public long? Size { get; init; }
}
