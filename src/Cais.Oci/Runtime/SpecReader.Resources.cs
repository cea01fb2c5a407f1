using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <content>Types of LinuxResources.cs.</content>
public static partial class SpecReader
{
    private static LinuxResources? LinuxResourcesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        IReadOnlyList<DeviceRule>? devices = null;
        MemoryResources? memory = null;
        CpuResources? cpu = null;
        PidsResources? pids = null;
        BlockIoResources? blockIO = null;
        IReadOnlyList<HugepageLimit>? hugepageLimits = null;
        NetworkResources? network = null;
        IReadOnlyDictionary<string, RdmaLimit>? rdma = null;
        IReadOnlyDictionary<string, string>? unified = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("devices"u8))
            {
                devices = List(ref json, DeviceRuleOf);
            }
            else if (json.ValueTextEquals("memory"u8))
            {
                json.Read();
                memory = MemoryResourcesOf(ref json);
            }
            else if (json.ValueTextEquals("cpu"u8))
            {
                json.Read();
                cpu = CpuResourcesOf(ref json);
            }
            else if (json.ValueTextEquals("pids"u8))
            {
                json.Read();
                pids = PidsResourcesOf(ref json);
            }
            else if (json.ValueTextEquals("blockIO"u8))
            {
                json.Read();
                blockIO = BlockIoResourcesOf(ref json);
            }
            else if (json.ValueTextEquals("hugepageLimits"u8))
            {
                hugepageLimits = List(ref json, HugepageLimitOf);
            }
            else if (json.ValueTextEquals("network"u8))
            {
                json.Read();
                network = NetworkResourcesOf(ref json);
            }
            else if (json.ValueTextEquals("rdma"u8))
            {
                rdma = Map(ref json, RdmaLimitOf);
            }
            else if (json.ValueTextEquals("unified"u8))
            {
                unified = Texts(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new LinuxResources
        {
            Devices = devices,
            Memory = memory,
            Cpu = cpu,
            Pids = pids,
            BlockIO = blockIO,
            HugepageLimits = hugepageLimits,
            Network = network,
            Rdma = rdma,
            Unified = unified,
        };
    }

    private static DeviceRule? DeviceRuleOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        bool? allow = null;
        string? type = null;
        long? major = null;
        long? minor = null;
        string? access = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("allow"u8))
            {
                allow = Flag(ref json);
            }
            else if (json.ValueTextEquals("type"u8))
            {
                type = Text(ref json);
            }
            else if (json.ValueTextEquals("major"u8))
            {
                major = Int64(ref json);
            }
            else if (json.ValueTextEquals("minor"u8))
            {
                minor = Int64(ref json);
            }
            else if (json.ValueTextEquals("access"u8))
            {
                access = Text(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new DeviceRule
        {
            Allow = allow ?? throw Missing("allow"),
            Type = type,
            Major = major,
            Minor = minor,
            Access = access,
        };
    }

    private static MemoryResources? MemoryResourcesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        long? limit = null;
        long? reservation = null;
        long? swap = null;
        long? kernel = null;
        long? kernelTCP = null;
        ulong? swappiness = null;
        bool? disableOOMKiller = null;
        bool? useHierarchy = null;
        bool? checkBeforeUpdate = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("limit"u8))
            {
                limit = Int64(ref json);
            }
            else if (json.ValueTextEquals("reservation"u8))
            {
                reservation = Int64(ref json);
            }
            else if (json.ValueTextEquals("swap"u8))
            {
                swap = Int64(ref json);
            }
            else if (json.ValueTextEquals("kernel"u8))
            {
                kernel = Int64(ref json);
            }
            else if (json.ValueTextEquals("kernelTCP"u8))
            {
                kernelTCP = Int64(ref json);
            }
            else if (json.ValueTextEquals("swappiness"u8))
            {
                swappiness = UInt64(ref json);
            }
            else if (json.ValueTextEquals("disableOOMKiller"u8))
            {
                disableOOMKiller = Flag(ref json);
            }
            else if (json.ValueTextEquals("useHierarchy"u8))
            {
                useHierarchy = Flag(ref json);
            }
            else if (json.ValueTextEquals("checkBeforeUpdate"u8))
            {
                checkBeforeUpdate = Flag(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new MemoryResources
        {
            Limit = limit,
            Reservation = reservation,
            Swap = swap,
            Kernel = kernel,
            KernelTCP = kernelTCP,
            Swappiness = swappiness,
            DisableOOMKiller = disableOOMKiller,
            UseHierarchy = useHierarchy,
            CheckBeforeUpdate = checkBeforeUpdate,
        };
    }

    private static CpuResources? CpuResourcesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        ulong? shares = null;
        long? quota = null;
        ulong? burst = null;
        ulong? period = null;
        long? realtimeRuntime = null;
        ulong? realtimePeriod = null;
        string? cpus = null;
        string? mems = null;
        long? idle = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("shares"u8))
            {
                shares = UInt64(ref json);
            }
            else if (json.ValueTextEquals("quota"u8))
            {
                quota = Int64(ref json);
            }
            else if (json.ValueTextEquals("burst"u8))
            {
                burst = UInt64(ref json);
            }
            else if (json.ValueTextEquals("period"u8))
            {
                period = UInt64(ref json);
            }
            else if (json.ValueTextEquals("realtimeRuntime"u8))
            {
                realtimeRuntime = Int64(ref json);
            }
            else if (json.ValueTextEquals("realtimePeriod"u8))
            {
                realtimePeriod = UInt64(ref json);
            }
            else if (json.ValueTextEquals("cpus"u8))
            {
                cpus = Text(ref json);
            }
            else if (json.ValueTextEquals("mems"u8))
            {
                mems = Text(ref json);
            }
            else if (json.ValueTextEquals("idle"u8))
            {
                idle = Int64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new CpuResources
        {
            Shares = shares,
            Quota = quota,
            Burst = burst,
            Period = period,
            RealtimeRuntime = realtimeRuntime,
            RealtimePeriod = realtimePeriod,
            Cpus = cpus,
            Mems = mems,
            Idle = idle,
        };
    }

    private static PidsResources? PidsResourcesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        long? limit = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("limit"u8))
            {
                limit = Int64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new PidsResources
        {
            Limit = limit,
        };
    }

    private static HugepageLimit? HugepageLimitOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? pageSize = null;
        ulong? limit = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("pageSize"u8))
            {
                pageSize = Text(ref json);
            }
            else if (json.ValueTextEquals("limit"u8))
            {
                limit = UInt64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new HugepageLimit
        {
            PageSize = pageSize ?? throw Missing("pageSize"),
            Limit = limit ?? throw Missing("limit"),
        };
    }

    private static NetworkResources? NetworkResourcesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        uint? classID = null;
        IReadOnlyList<InterfacePriority>? priorities = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("classID"u8))
            {
                classID = UInt32(ref json);
            }
            else if (json.ValueTextEquals("priorities"u8))
            {
                priorities = List(ref json, InterfacePriorityOf);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new NetworkResources
        {
            ClassID = classID,
            Priorities = priorities,
        };
    }

    private static InterfacePriority? InterfacePriorityOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? name = null;
        uint? priority = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("name"u8))
            {
                name = Text(ref json);
            }
            else if (json.ValueTextEquals("priority"u8))
            {
                priority = UInt32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new InterfacePriority
        {
            Name = name ?? throw Missing("name"),
            Priority = priority ?? throw Missing("priority"),
        };
    }

    private static RdmaLimit? RdmaLimitOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        uint? hcaHandles = null;
        uint? hcaObjects = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("hcaHandles"u8))
            {
                hcaHandles = UInt32(ref json);
            }
            else if (json.ValueTextEquals("hcaObjects"u8))
            {
                hcaObjects = UInt32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new RdmaLimit
        {
            HcaHandles = hcaHandles,
            HcaObjects = hcaObjects,
        };
    }
}
