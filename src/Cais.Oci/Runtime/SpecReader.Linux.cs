using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <content>Types of LinuxConfig.cs.</content>
public static partial class SpecReader
{
    private static LinuxConfig? LinuxConfigOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        IReadOnlyList<LinuxNamespace>? namespaces = null;
        IReadOnlyList<IdMapping>? uidMappings = null;
        IReadOnlyList<IdMapping>? gidMappings = null;
        TimeOffsets? timeOffsets = null;
        IReadOnlyList<LinuxDevice>? devices = null;
        IReadOnlyDictionary<string, NetDevice>? netDevices = null;
        string? cgroupsPath = null;
        LinuxResources? resources = null;
        string? rootfsPropagation = null;
        Seccomp? seccomp = null;
        IReadOnlyDictionary<string, string>? sysctl = null;
        IReadOnlyList<string>? maskedPaths = null;
        IReadOnlyList<string>? readonlyPaths = null;
        string? mountLabel = null;
        IntelRdt? intelRdt = null;
        MemoryPolicy? memoryPolicy = null;
        Personality? personality = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("namespaces"u8))
            {
                namespaces = List(ref json, LinuxNamespaceOf);
            }
            else if (json.ValueTextEquals("uidMappings"u8))
            {
                uidMappings = List(ref json, IdMappingOf);
            }
            else if (json.ValueTextEquals("gidMappings"u8))
            {
                gidMappings = List(ref json, IdMappingOf);
            }
            else if (json.ValueTextEquals("timeOffsets"u8))
            {
                json.Read();
                timeOffsets = TimeOffsetsOf(ref json);
            }
            else if (json.ValueTextEquals("devices"u8))
            {
                devices = List(ref json, LinuxDeviceOf);
            }
            else if (json.ValueTextEquals("netDevices"u8))
            {
                netDevices = Map(ref json, NetDeviceOf);
            }
            else if (json.ValueTextEquals("cgroupsPath"u8))
            {
                cgroupsPath = Text(ref json);
            }
            else if (json.ValueTextEquals("resources"u8))
            {
                json.Read();
                resources = LinuxResourcesOf(ref json);
            }
            else if (json.ValueTextEquals("rootfsPropagation"u8))
            {
                rootfsPropagation = Text(ref json);
            }
            else if (json.ValueTextEquals("seccomp"u8))
            {
                json.Read();
                seccomp = SeccompOf(ref json);
            }
            else if (json.ValueTextEquals("sysctl"u8))
            {
                sysctl = Texts(ref json);
            }
            else if (json.ValueTextEquals("maskedPaths"u8))
            {
                maskedPaths = Strings(ref json);
            }
            else if (json.ValueTextEquals("readonlyPaths"u8))
            {
                readonlyPaths = Strings(ref json);
            }
            else if (json.ValueTextEquals("mountLabel"u8))
            {
                mountLabel = Text(ref json);
            }
            else if (json.ValueTextEquals("intelRdt"u8))
            {
                json.Read();
                intelRdt = IntelRdtOf(ref json);
            }
            else if (json.ValueTextEquals("memoryPolicy"u8))
            {
                json.Read();
                memoryPolicy = MemoryPolicyOf(ref json);
            }
            else if (json.ValueTextEquals("personality"u8))
            {
                json.Read();
                personality = PersonalityOf(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new LinuxConfig
        {
            Namespaces = namespaces,
            UidMappings = uidMappings,
            GidMappings = gidMappings,
            TimeOffsets = timeOffsets,
            Devices = devices,
            NetDevices = netDevices,
            CgroupsPath = cgroupsPath,
            Resources = resources,
            RootfsPropagation = rootfsPropagation,
            Seccomp = seccomp,
            Sysctl = sysctl,
            MaskedPaths = maskedPaths,
            ReadonlyPaths = readonlyPaths,
            MountLabel = mountLabel,
            IntelRdt = intelRdt,
            MemoryPolicy = memoryPolicy,
            Personality = personality,
        };
    }

    private static LinuxNamespace? LinuxNamespaceOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? type = null;
        string? path = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("type"u8))
            {
                type = Text(ref json);
            }
            else if (json.ValueTextEquals("path"u8))
            {
                path = Text(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new LinuxNamespace
        {
            Type = type ?? throw Missing("type"),
            Path = path,
        };
    }

    private static TimeOffsets? TimeOffsetsOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        TimeOffset? boottime = null;
        TimeOffset? monotonic = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("boottime"u8))
            {
                json.Read();
                boottime = TimeOffsetOf(ref json);
            }
            else if (json.ValueTextEquals("monotonic"u8))
            {
                json.Read();
                monotonic = TimeOffsetOf(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new TimeOffsets
        {
            Boottime = boottime,
            Monotonic = monotonic,
        };
    }

    private static TimeOffset? TimeOffsetOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        long? secs = null;
        uint? nanosecs = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("secs"u8))
            {
                secs = Int64(ref json);
            }
            else if (json.ValueTextEquals("nanosecs"u8))
            {
                nanosecs = UInt32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new TimeOffset
        {
            Secs = secs ?? 0,
            Nanosecs = nanosecs ?? 0,
        };
    }

    private static LinuxDevice? LinuxDeviceOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? type = null;
        string? path = null;
        long? major = null;
        long? minor = null;
        uint? fileMode = null;
        uint? uid = null;
        uint? gid = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("type"u8))
            {
                type = Text(ref json);
            }
            else if (json.ValueTextEquals("path"u8))
            {
                path = Text(ref json);
            }
            else if (json.ValueTextEquals("major"u8))
            {
                major = Int64(ref json);
            }
            else if (json.ValueTextEquals("minor"u8))
            {
                minor = Int64(ref json);
            }
            else if (json.ValueTextEquals("fileMode"u8))
            {
                fileMode = UInt32(ref json);
            }
            else if (json.ValueTextEquals("uid"u8))
            {
                uid = UInt32(ref json);
            }
            else if (json.ValueTextEquals("gid"u8))
            {
                gid = UInt32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new LinuxDevice
        {
            Type = type ?? throw Missing("type"),
            Path = path ?? throw Missing("path"),
            Major = major ?? 0,
            Minor = minor ?? 0,
            FileMode = fileMode,
            Uid = uid,
            Gid = gid,
        };
    }

    private static NetDevice? NetDeviceOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? name = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("name"u8))
            {
                name = Text(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new NetDevice
        {
            Name = name,
        };
    }

    private static IntelRdt? IntelRdtOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? closId = null;
        IReadOnlyList<string>? schemata = null;
        string? l3CacheSchema = null;
        string? memBwSchema = null;
        bool? enableMonitoring = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("closID"u8))
            {
                closId = Text(ref json);
            }
            else if (json.ValueTextEquals("schemata"u8))
            {
                schemata = Strings(ref json);
            }
            else if (json.ValueTextEquals("l3CacheSchema"u8))
            {
                l3CacheSchema = Text(ref json);
            }
            else if (json.ValueTextEquals("memBwSchema"u8))
            {
                memBwSchema = Text(ref json);
            }
            else if (json.ValueTextEquals("enableMonitoring"u8))
            {
                enableMonitoring = Flag(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new IntelRdt
        {
            ClosId = closId,
            Schemata = schemata,
            L3CacheSchema = l3CacheSchema,
            MemBwSchema = memBwSchema,
            EnableMonitoring = enableMonitoring,
        };
    }

    private static MemoryPolicy? MemoryPolicyOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? mode = null;
        string? nodes = null;
        IReadOnlyList<string>? flags = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("mode"u8))
            {
                mode = Text(ref json);
            }
            else if (json.ValueTextEquals("nodes"u8))
            {
                nodes = Text(ref json);
            }
            else if (json.ValueTextEquals("flags"u8))
            {
                flags = Strings(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new MemoryPolicy
        {
            Mode = mode,
            Nodes = nodes,
            Flags = flags,
        };
    }

    private static Personality? PersonalityOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? domain = null;
        IReadOnlyList<string>? flags = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("domain"u8))
            {
                domain = Text(ref json);
            }
            else if (json.ValueTextEquals("flags"u8))
            {
                flags = Strings(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Personality
        {
            Domain = domain,
            Flags = flags,
        };
    }
}
