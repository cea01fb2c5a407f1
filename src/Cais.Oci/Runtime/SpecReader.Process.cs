using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <content>Types of Process.cs.</content>
public static partial class SpecReader
{
    private static Process? ProcessOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        bool? terminal = null;
        ConsoleSize? consoleSize = null;
        User? user = null;
        IReadOnlyList<string>? args = null;
        IReadOnlyList<string>? env = null;
        string? cwd = null;
        Capabilities? capabilities = null;
        IReadOnlyList<Rlimit>? rlimits = null;
        bool? noNewPrivileges = null;
        string? apparmorProfile = null;
        int? oomScoreAdj = null;
        string? selinuxLabel = null;
        IoPriority? ioPriority = null;
        Scheduler? scheduler = null;
        ExecCpuAffinity? execCpuAffinity = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("terminal"u8))
            {
                terminal = Flag(ref json);
            }
            else if (json.ValueTextEquals("consoleSize"u8))
            {
                json.Read();
                consoleSize = ConsoleSizeOf(ref json);
            }
            else if (json.ValueTextEquals("user"u8))
            {
                json.Read();
                user = UserOf(ref json);
            }
            else if (json.ValueTextEquals("args"u8))
            {
                args = Strings(ref json);
            }
            else if (json.ValueTextEquals("env"u8))
            {
                env = Strings(ref json);
            }
            else if (json.ValueTextEquals("cwd"u8))
            {
                cwd = Text(ref json);
            }
            else if (json.ValueTextEquals("capabilities"u8))
            {
                json.Read();
                capabilities = CapabilitiesOf(ref json);
            }
            else if (json.ValueTextEquals("rlimits"u8))
            {
                rlimits = List(ref json, RlimitOf);
            }
            else if (json.ValueTextEquals("noNewPrivileges"u8))
            {
                noNewPrivileges = Flag(ref json);
            }
            else if (json.ValueTextEquals("apparmorProfile"u8))
            {
                apparmorProfile = Text(ref json);
            }
            else if (json.ValueTextEquals("oomScoreAdj"u8))
            {
                oomScoreAdj = Int32(ref json);
            }
            else if (json.ValueTextEquals("selinuxLabel"u8))
            {
                selinuxLabel = Text(ref json);
            }
            else if (json.ValueTextEquals("ioPriority"u8))
            {
                json.Read();
                ioPriority = IoPriorityOf(ref json);
            }
            else if (json.ValueTextEquals("scheduler"u8))
            {
                json.Read();
                scheduler = SchedulerOf(ref json);
            }
            else if (json.ValueTextEquals("execCPUAffinity"u8))
            {
                json.Read();
                execCpuAffinity = ExecCpuAffinityOf(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Process
        {
            Terminal = terminal ?? false,
            ConsoleSize = consoleSize,
            User = user,
            Args = args,
            Env = env,
            Cwd = cwd ?? throw Missing("cwd"),
            Capabilities = capabilities,
            Rlimits = rlimits,
            NoNewPrivileges = noNewPrivileges ?? false,
            ApparmorProfile = apparmorProfile,
            OomScoreAdj = oomScoreAdj,
            SelinuxLabel = selinuxLabel,
            IoPriority = ioPriority,
            Scheduler = scheduler,
            ExecCpuAffinity = execCpuAffinity,
        };
    }

    private static ConsoleSize? ConsoleSizeOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        ulong? height = null;
        ulong? width = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("height"u8))
            {
                height = UInt64(ref json);
            }
            else if (json.ValueTextEquals("width"u8))
            {
                width = UInt64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new ConsoleSize
        {
            Height = height ?? 0,
            Width = width ?? 0,
        };
    }

    private static User? UserOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        uint? uid = null;
        uint? gid = null;
        uint? umask = null;
        IReadOnlyList<uint>? additionalGids = null;
        string? username = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("uid"u8))
            {
                uid = UInt32(ref json);
            }
            else if (json.ValueTextEquals("gid"u8))
            {
                gid = UInt32(ref json);
            }
            else if (json.ValueTextEquals("umask"u8))
            {
                umask = UInt32(ref json);
            }
            else if (json.ValueTextEquals("additionalGids"u8))
            {
                additionalGids = Numbers(ref json);
            }
            else if (json.ValueTextEquals("username"u8))
            {
                username = Text(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new User
        {
            Uid = uid ?? 0,
            Gid = gid ?? 0,
            Umask = umask,
            AdditionalGids = additionalGids,
            Username = username,
        };
    }

    private static Capabilities? CapabilitiesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        IReadOnlyList<string>? bounding = null;
        IReadOnlyList<string>? effective = null;
        IReadOnlyList<string>? inheritable = null;
        IReadOnlyList<string>? permitted = null;
        IReadOnlyList<string>? ambient = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("bounding"u8))
            {
                bounding = Strings(ref json);
            }
            else if (json.ValueTextEquals("effective"u8))
            {
                effective = Strings(ref json);
            }
            else if (json.ValueTextEquals("inheritable"u8))
            {
                inheritable = Strings(ref json);
            }
            else if (json.ValueTextEquals("permitted"u8))
            {
                permitted = Strings(ref json);
            }
            else if (json.ValueTextEquals("ambient"u8))
            {
                ambient = Strings(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Capabilities
        {
            Bounding = bounding,
            Effective = effective,
            Inheritable = inheritable,
            Permitted = permitted,
            Ambient = ambient,
        };
    }

    private static Rlimit? RlimitOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? type = null;
        ulong? soft = null;
        ulong? hard = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("type"u8))
            {
                type = Text(ref json);
            }
            else if (json.ValueTextEquals("soft"u8))
            {
                soft = UInt64(ref json);
            }
            else if (json.ValueTextEquals("hard"u8))
            {
                hard = UInt64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Rlimit
        {
            Type = type ?? throw Missing("type"),
            Soft = soft ?? throw Missing("soft"),
            Hard = hard ?? throw Missing("hard"),
        };
    }

    private static IoPriority? IoPriorityOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? priorityClass = null;
        int? priority = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("class"u8))
            {
                priorityClass = Text(ref json);
            }
            else if (json.ValueTextEquals("priority"u8))
            {
                priority = Int32(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new IoPriority
        {
            Class = priorityClass ?? throw Missing("class"),
            Priority = priority ?? 0,
        };
    }

    private static Scheduler? SchedulerOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? policy = null;
        int? nice = null;
        int? priority = null;
        IReadOnlyList<string>? flags = null;
        ulong? runtime = null;
        ulong? deadline = null;
        ulong? period = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("policy"u8))
            {
                policy = Text(ref json);
            }
            else if (json.ValueTextEquals("nice"u8))
            {
                nice = Int32(ref json);
            }
            else if (json.ValueTextEquals("priority"u8))
            {
                priority = Int32(ref json);
            }
            else if (json.ValueTextEquals("flags"u8))
            {
                flags = Strings(ref json);
            }
            else if (json.ValueTextEquals("runtime"u8))
            {
                runtime = UInt64(ref json);
            }
            else if (json.ValueTextEquals("deadline"u8))
            {
                deadline = UInt64(ref json);
            }
            else if (json.ValueTextEquals("period"u8))
            {
                period = UInt64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Scheduler
        {
            Policy = policy ?? throw Missing("policy"),
            Nice = nice,
            Priority = priority,
            Flags = flags,
            Runtime = runtime,
            Deadline = deadline,
            Period = period,
        };
    }

    private static ExecCpuAffinity? ExecCpuAffinityOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? initial = null;
        string? final = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("initial"u8))
            {
                initial = Text(ref json);
            }
            else if (json.ValueTextEquals("final"u8))
            {
                final = Text(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new ExecCpuAffinity
        {
            Initial = initial,
            Final = final,
        };
    }
}
