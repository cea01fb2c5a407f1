namespace Cais.Linux;

/// <summary>Capabilities by name and number; capabilities(7).</summary>
public static class CapabilityNames
{
    public const int SysAdmin = 21;

    private static readonly string[] Names =
    [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ];

    /// <summary>One past the highest known.</summary>
    public static int Count => Names.Length;

    public static string Name(int capability) => "CAP_" + Names[capability];

    /// <summary>-1 for a name that is not known. Case does not matter.</summary>
    public static int Number(string name)
    {
        if (name.StartsWith("CAP_", StringComparison.OrdinalIgnoreCase))
        {
            var rest = name.AsSpan(4);
            for (var i = 0; i < Names.Length; i++)
            {
                if (rest.Equals(Names[i], StringComparison.OrdinalIgnoreCase))
                {
                    return i;
                }
            }
        }

        return -1;
    }
}
