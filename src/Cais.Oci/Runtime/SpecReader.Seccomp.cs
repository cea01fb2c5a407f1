using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <content>Seccomp and what belongs to it, of LinuxConfig.cs.</content>
public static partial class SpecReader
{
    private static Seccomp? SeccompOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        string? defaultAction = null;
        uint? defaultErrnoRet = null;
        IReadOnlyList<string>? architectures = null;
        IReadOnlyList<string>? flags = null;
        string? listenerPath = null;
        string? listenerMetadata = null;
        IReadOnlyList<SeccompRule>? syscalls = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("defaultAction"u8))
            {
                defaultAction = Text(ref json);
            }
            else if (json.ValueTextEquals("defaultErrnoRet"u8))
            {
                defaultErrnoRet = UInt32(ref json);
            }
            else if (json.ValueTextEquals("architectures"u8))
            {
                architectures = Strings(ref json);
            }
            else if (json.ValueTextEquals("flags"u8))
            {
                flags = Strings(ref json);
            }
            else if (json.ValueTextEquals("listenerPath"u8))
            {
                listenerPath = Text(ref json);
            }
            else if (json.ValueTextEquals("listenerMetadata"u8))
            {
                listenerMetadata = Text(ref json);
            }
            else if (json.ValueTextEquals("syscalls"u8))
            {
                syscalls = List(ref json, SeccompRuleOf);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new Seccomp
        {
            DefaultAction = defaultAction ?? throw Missing("defaultAction"),
            DefaultErrnoRet = defaultErrnoRet,
            Architectures = architectures,
            Flags = flags,
            ListenerPath = listenerPath,
            ListenerMetadata = listenerMetadata,
            Syscalls = syscalls,
        };
    }

    private static SeccompRule? SeccompRuleOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        IReadOnlyList<string>? names = null;
        string? action = null;
        uint? errnoRet = null;
        IReadOnlyList<SeccompArgument>? args = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("names"u8))
            {
                names = Strings(ref json);
            }
            else if (json.ValueTextEquals("action"u8))
            {
                action = Text(ref json);
            }
            else if (json.ValueTextEquals("errnoRet"u8))
            {
                errnoRet = UInt32(ref json);
            }
            else if (json.ValueTextEquals("args"u8))
            {
                args = List(ref json, SeccompArgumentOf);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new SeccompRule
        {
            Names = names ?? throw Missing("names"),
            Action = action ?? throw Missing("action"),
            ErrnoRet = errnoRet,
            Args = args,
        };
    }

    private static SeccompArgument? SeccompArgumentOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        uint? index = null;
        ulong? value = null;
        ulong? valueTwo = null;
        string? op = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("index"u8))
            {
                index = UInt32(ref json);
            }
            else if (json.ValueTextEquals("value"u8))
            {
                value = UInt64(ref json);
            }
            else if (json.ValueTextEquals("valueTwo"u8))
            {
                valueTwo = UInt64(ref json);
            }
            else if (json.ValueTextEquals("op"u8))
            {
                op = Text(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new SeccompArgument
        {
            Index = index ?? throw Missing("index"),
            Value = value ?? throw Missing("value"),
            ValueTwo = valueTwo ?? 0,
            Op = op ?? throw Missing("op"),
        };
    }
}
