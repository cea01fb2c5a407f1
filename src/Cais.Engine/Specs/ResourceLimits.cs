using Cais.Api;
using Cais.Linux.Status;
using Cais.Oci.Runtime;
using ThrottleDevice = Cais.Api.ThrottleDevice;
using WeightDevice = Cais.Api.WeightDevice;

namespace Cais.Engine.Specs;

/// <summary>Turns <c>--memory</c>, <c>--cpus</c> and the like into the runtime specification's limits.</summary>
internal static class ResourceLimits
{
    /// <summary>A CPU quota's period when <c>--cpus</c> sets the quota, in microseconds.</summary>
    private const ulong CpuPeriod = 100_000;

    public static LinuxResources Of(HostConfig config) => new()
    {
        Memory = Memory(config),
        Cpu = Cpu(config),
        Pids = config.PidsLimit is { } pids and not 0 ? new PidsResources { Limit = pids } : null,
        BlockIO = BlockIo(config),
    };

    private static MemoryResources? Memory(HostConfig config)
    {
        var memory = new MemoryResources
        {
            Limit = config.Memory is > 0 ? config.Memory : null,
            Reservation = config.MemoryReservation is > 0 ? config.MemoryReservation : null,

            // Without a word about swap, as much of it as of memory, which is docker's rule.
            Swap = config.MemorySwap is { } swap and not 0 ? swap : config.Memory is > 0 ? config.Memory * 2 : null,
            Swappiness = config.MemorySwappiness is >= 0 ? (ulong)config.MemorySwappiness : null,
            DisableOOMKiller = config.OomKillDisable is true ? true : null,
        };
        return memory == new MemoryResources() ? null : memory;
    }

    private static CpuResources? Cpu(HostConfig config)
    {
        var cpu = new CpuResources
        {
            Shares = config.CpuShares is > 0 ? (ulong)config.CpuShares : null,
            Cpus = string.IsNullOrEmpty(config.CpusetCpus) ? null : config.CpusetCpus,
            Mems = string.IsNullOrEmpty(config.CpusetMems) ? null : config.CpusetMems,
            Period = config.NanoCpus is > 0 ? CpuPeriod : config.CpuPeriod is > 0 ? (ulong)config.CpuPeriod : null,
            Quota = config.NanoCpus is > 0 and var nano ? nano * (long)CpuPeriod / 1_000_000_000 : config.CpuQuota is > 0 ? config.CpuQuota : null,
            RealtimePeriod = config.CpuRealtimePeriod is > 0 ? (ulong)config.CpuRealtimePeriod : null,
            RealtimeRuntime = config.CpuRealtimeRuntime is > 0 ? config.CpuRealtimeRuntime : null,
        };
        return cpu == new CpuResources() ? null : cpu;
    }

    private static BlockIoResources? BlockIo(HostConfig config)
    {
        if (config.BlkioWeight is null or 0
            && config.BlkioWeightDevice is not { Count: > 0 }
            && config.BlkioDeviceReadBps is not { Count: > 0 }
            && config.BlkioDeviceWriteBps is not { Count: > 0 }
            && config.BlkioDeviceReadIOps is not { Count: > 0 }
            && config.BlkioDeviceWriteIOps is not { Count: > 0 })
        {
            return null;
        }

        return new BlockIoResources
        {
            Weight = config.BlkioWeight is > 0 ? (ushort)config.BlkioWeight : null,
            WeightDevice = Weights(config.BlkioWeightDevice),
            ThrottleReadBpsDevice = Throttles(config.BlkioDeviceReadBps),
            ThrottleWriteBpsDevice = Throttles(config.BlkioDeviceWriteBps),
            ThrottleReadIOPSDevice = Throttles(config.BlkioDeviceReadIOps),
            ThrottleWriteIOPSDevice = Throttles(config.BlkioDeviceWriteIOps),
        };
    }

    private static List<Oci.Runtime.WeightDevice>? Weights(IReadOnlyList<WeightDevice>? devices) => devices is not { Count: > 0 } ? null :
    [
        .. devices.Select(d =>
        {
            var (major, minor) = Number(d.Path);
            return new Oci.Runtime.WeightDevice { Major = major, Minor = minor, Weight = (ushort)(d.Weight ?? 0) };
        }),
    ];

    private static List<Oci.Runtime.ThrottleDevice>? Throttles(IReadOnlyList<ThrottleDevice>? devices) => devices is not { Count: > 0 } ? null :
    [
        .. devices.Select(d =>
        {
            var (major, minor) = Number(d.Path);
            return new Oci.Runtime.ThrottleDevice { Major = major, Minor = minor, Rate = (ulong)(d.Rate ?? 0) };
        }),
    ];

    private static (long Major, long Minor) Number(string? path) =>
        EntryStatus.Of(path ?? "", follow: true) is { Kind: FileKind.BlockDevice or FileKind.CharacterDevice } device
            ? (device.DeviceMajor, device.DeviceMinor)
            : throw EngineException.System($"no such file or directory: {path} is not a device");
}
