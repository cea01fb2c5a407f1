namespace Cais.Api;

public sealed record ContainerUpdateRequest
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
    public IReadOnlyList<WeightDevice>? BlkioWeightDevice { get; init; }

    /// <summary>Limit read rate (bytes per second) from a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceReadBps { get; init; }

    /// <summary>Limit write rate (bytes per second) to a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceWriteBps { get; init; }

    /// <summary>Limit read rate (IO per second) from a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
    public IReadOnlyList<ThrottleDevice>? BlkioDeviceReadIOps { get; init; }

    /// <summary>Limit write rate (IO per second) to a device, in the form: ``` [{"Path": "device_path", "Rate": rate}] ```</summary>
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
    public IReadOnlyList<DeviceMapping>? Devices { get; init; }

    /// <summary>a list of cgroup rules to apply to the container</summary>
    public IReadOnlyList<string>? DeviceCgroupRules { get; init; }

    /// <summary>A list of requests for devices to be sent to device drivers.</summary>
    public IReadOnlyList<DeviceRequest>? DeviceRequests { get; init; }

    public long? MemoryReservation { get; init; }

    /// <summary>Total memory limit (memory + swap).</summary>
    public long? MemorySwap { get; init; }

    /// <summary>Tune a container's memory swappiness behavior.</summary>
    public long? MemorySwappiness { get; init; }

    /// <summary>CPU quota in units of 10&lt;sup&gt;-9&lt;/sup&gt; CPUs.</summary>
    public long? NanoCpus { get; init; }

    /// <summary>Disable OOM Killer for the container.</summary>
    public bool? OomKillDisable { get; init; }

    /// <summary>Run an init inside the container that forwards signals and reaps processes.</summary>
    public bool? Init { get; init; }

    /// <summary>Tune a container's PIDs limit.</summary>
    public long? PidsLimit { get; init; }

    /// <summary>A list of resource limits to set in the container.</summary>
    public IReadOnlyList<Ulimit>? Ulimits { get; init; }

    /// <summary>The number of usable CPUs (Windows only).</summary>
    public long? CpuCount { get; init; }

    /// <summary>The usable percentage of the available CPUs (Windows only).</summary>
    public long? CpuPercent { get; init; }

    /// <summary>Maximum IOps for the container system drive (Windows only)</summary>
    public long? IOMaximumIOps { get; init; }

    /// <summary>Maximum IO in bytes per second for the container system drive (Windows only).</summary>
    public long? IOMaximumBandwidth { get; init; }

    public RestartPolicy? RestartPolicy { get; init; }
}
