using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Container configuration that depends on the host we are running on</summary>
public sealed record HostConfig
{
    /// <summary>An integer value representing this container's relative CPU weight versus other containers.</summary>
    public long? CpuShares { get; init; }

    /// <summary>Memory limit in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>Path to `cgroups` under which the container's `cgroup` is created.</summary>
    public string? CgroupParent { get; init; }

    /// <summary>Block IO weight (relative weight).</summary>
    public long? BlkioWeight { get; init; }

    /// <summary>Block IO weight (relative device weight) in the form: ``` [{"Path": "device_path", "Weight": weight}] ```</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<WeightDevice>? BlkioWeightDevice { get; init; }

    /// <summary>Limit read rate (bytes per second) from a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceReadBps { get; init; }

    /// <summary>Limit write rate (bytes per second) to a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceWriteBps { get; init; }

    /// <summary>Limit read rate (IO per second) from a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceReadIOps { get; init; }

    /// <summary>Limit write rate (IO per second) to a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceWriteIOps { get; init; }

    /// <summary>The length of a CPU period in microseconds.</summary>
    public long? CpuPeriod { get; init; }

    /// <summary>Microseconds of CPU time that the container can get in a CPU period.</summary>
    public long? CpuQuota { get; init; }

    /// <summary>The length of a CPU real-time period in microseconds.</summary>
    public long? CpuRealtimePeriod { get; init; }

    /// <summary>The length of a CPU real-time runtime in microseconds.</summary>
    public long? CpuRealtimeRuntime { get; init; }

    /// <summary>CPUs in which to allow execution (e.g., `0-3`, `0,1`).</summary>
    public string? CpusetCpus { get; init; }

    /// <summary>Memory nodes (MEMs) in which to allow execution (0-3, 0,1).</summary>
    public string? CpusetMems { get; init; }

    /// <summary>A list of devices to add to the container.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<DeviceMapping>? Devices { get; init; }

    /// <summary>a list of cgroup rules to apply to the container</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? DeviceCgroupRules { get; init; }

    /// <summary>A list of requests for devices to be sent to device drivers.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<DeviceRequest>? DeviceRequests { get; init; }

    public long? MemoryReservation { get; init; }

    /// <summary>Total memory limit (memory + swap).</summary>
    public long? MemorySwap { get; init; }

    /// <summary>Tune a container's memory swappiness behavior.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? MemorySwappiness { get; init; }

    /// <summary>CPU quota in units of 10&lt;sup&gt;-9&lt;/sup&gt; CPUs.</summary>
    public long? NanoCpus { get; init; }

    /// <summary>Disable OOM Killer for the container.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public bool? OomKillDisable { get; init; }

    /// <summary>Run an init inside the container that forwards signals and reaps processes.</summary>
    public bool? Init { get; init; }

    /// <summary>Tune a container's PIDs limit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? PidsLimit { get; init; }

    /// <summary>A list of resource limits to set in the container.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<Ulimit>? Ulimits { get; init; }

    /// <summary>The number of usable CPUs (Windows only).</summary>
    public long? CpuCount { get; init; }

    /// <summary>The usable percentage of the available CPUs (Windows only).</summary>
    public long? CpuPercent { get; init; }

    /// <summary>Maximum IOps for the container system drive (Windows only)</summary>
    public long? IOMaximumIOps { get; init; }

    /// <summary>Maximum IO in bytes per second for the container system drive (Windows only).</summary>
    public long? IOMaximumBandwidth { get; init; }

    /// <summary>A list of volume bindings for this container.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Binds { get; init; }

    /// <summary>Path to a file where the container ID is written</summary>
    public string? ContainerIDFile { get; init; }

    /// <summary>The logging configuration for this container</summary>
    public LogConfig? LogConfig { get; init; }

    /// <summary>Network mode to use for this container.</summary>
    public string? NetworkMode { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, IReadOnlyList<PortBinding>?>? PortBindings { get; init; }

    public RestartPolicy? RestartPolicy { get; init; }

    /// <summary>Automatically remove the container when the container's process exits.</summary>
    public bool? AutoRemove { get; init; }

    /// <summary>Driver that this container uses to mount volumes.</summary>
    public string? VolumeDriver { get; init; }

    /// <summary>A list of volumes to inherit from another container, specified in the form `&lt;container name&gt;[:&lt;ro|rw&gt;]`.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? VolumesFrom { get; init; }

    /// <summary>Specification for mounts to be added to the container.</summary>
    public IReadOnlyList<MountSpec>? Mounts { get; init; }

    /// <summary>Initial console size, as an `[height, width]` array.</summary>
    public IReadOnlyList<long>? ConsoleSize { get; init; }

    /// <summary>Arbitrary non-identifying metadata attached to container and provided to the runtime when the container is started.</summary>
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>A list of kernel capabilities to add to the container.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? CapAdd { get; init; }

    [JsonPropertyName("CapAdd")]
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public StringOrList? CapAddJson
    {
        get => StringOrList.Of(CapAdd);
        init => CapAdd = value?.Values;
    }

    /// <summary>A list of kernel capabilities to drop from the container.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? CapDrop { get; init; }

    [JsonPropertyName("CapDrop")]
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public StringOrList? CapDropJson
    {
        get => StringOrList.Of(CapDrop);
        init => CapDrop = value?.Values;
    }

    /// <summary>cgroup namespace mode for the container.</summary>
    public string? CgroupnsMode { get; init; }

    /// <summary>A list of DNS servers for the container to use.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Dns { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? DnsOptions { get; init; }

    /// <summary>A list of DNS search domains.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? DnsSearch { get; init; }

    /// <summary>A list of hostnames/IP mappings to add to the container's `/etc/hosts` file.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? ExtraHosts { get; init; }

    /// <summary>A list of additional groups that the container process will run as.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? GroupAdd { get; init; }

    /// <summary>IPC sharing mode for the container.</summary>
    public string? IpcMode { get; init; }

    /// <summary>Cgroup to use for the container.</summary>
    public string? Cgroup { get; init; }

    /// <summary>A list of links for the container in the form `container_name:alias`.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Links { get; init; }

    /// <summary>An integer value containing the score given to the container in order to tune OOM killer preferences.</summary>
    public long? OomScoreAdj { get; init; }

    /// <summary>Set the PID (Process) Namespace mode for the container.</summary>
    public string? PidMode { get; init; }

    /// <summary>Gives the container full access to the host.</summary>
    public bool? Privileged { get; init; }

    /// <summary>Allocates an ephemeral host port for all of a container's exposed ports.</summary>
    public bool? PublishAllPorts { get; init; }

    /// <summary>Mount the container's root filesystem as read only.</summary>
    public bool? ReadonlyRootfs { get; init; }

    /// <summary>A list of string values to customize labels for MLS systems, such as SELinux.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? SecurityOpt { get; init; }

    /// <summary>Storage driver options for this container, in the form `{"size": "120G"}`.</summary>
    public IReadOnlyDictionary<string, string>? StorageOpt { get; init; }

    /// <summary>A map of container directories which should be replaced by tmpfs mounts, and their corresponding mount options.</summary>
    public IReadOnlyDictionary<string, string>? Tmpfs { get; init; }

    /// <summary>UTS namespace to use for the container.</summary>
    public string? UTSMode { get; init; }

    /// <summary>Sets the usernamespace mode for the container when usernamespace remapping option is enabled.</summary>
    public string? UsernsMode { get; init; }

    /// <summary>Size of `/dev/shm` in bytes.</summary>
    public long? ShmSize { get; init; }

    /// <summary>A list of kernel parameters (sysctls) to set in the container.</summary>
    public IReadOnlyDictionary<string, string>? Sysctls { get; init; }

    /// <summary>Runtime to use with this container.</summary>
    public string? Runtime { get; init; }

    /// <summary>Isolation technology of the container.</summary>
    public string? Isolation { get; init; }

    /// <summary>The list of paths to be masked inside the container (this overrides the default set of paths).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? MaskedPaths { get; init; }

    /// <summary>The list of paths to be set as read-only inside the container (this overrides the default set of paths).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? ReadonlyPaths { get; init; }
}
