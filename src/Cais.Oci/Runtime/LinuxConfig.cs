using System.Text.Json.Serialization;

namespace Cais.Oci.Runtime;

/// <summary>The <c>linux</c> object of config.json; see config-linux.md.</summary>
public sealed record LinuxConfig
{
    public IReadOnlyList<LinuxNamespace>? Namespaces { get; init; }
    public IReadOnlyList<IdMapping>? UidMappings { get; init; }
    public IReadOnlyList<IdMapping>? GidMappings { get; init; }
    public TimeOffsets? TimeOffsets { get; init; }
    public IReadOnlyList<LinuxDevice>? Devices { get; init; }

    /// <summary>Host network interfaces to move into the container, by their name outside.</summary>
    public IReadOnlyDictionary<string, NetDevice>? NetDevices { get; init; }

    /// <summary>Absolute: from the cgroup mount's root. Relative: below the runtime's own cgroup. With systemd: <c>slice:prefix:name</c>.</summary>
    public string? CgroupsPath { get; init; }

    public LinuxResources? Resources { get; init; }

    /// <summary><c>shared</c>, <c>slave</c>, <c>private</c> or <c>unbindable</c>, each also with an <c>r</c> in front.</summary>
    public string? RootfsPropagation { get; init; }

    public Seccomp? Seccomp { get; init; }
    public IReadOnlyDictionary<string, string>? Sysctl { get; init; }
    public IReadOnlyList<string>? MaskedPaths { get; init; }
    public IReadOnlyList<string>? ReadonlyPaths { get; init; }
    public string? MountLabel { get; init; }
    public IntelRdt? IntelRdt { get; init; }
    public MemoryPolicy? MemoryPolicy { get; init; }
    public Personality? Personality { get; init; }
}

/// <summary>A namespace to be in: new, or an existing one by <see cref="Path"/>.</summary>
public sealed record LinuxNamespace
{
    /// <summary><c>mount pid network uts ipc user cgroup time</c>.</summary>
    public required string Type { get; init; }

    public string? Path { get; init; }
}

public sealed record TimeOffsets
{
    public TimeOffset? Boottime { get; init; }
    public TimeOffset? Monotonic { get; init; }
}

public sealed record TimeOffset
{
    public long Secs { get; init; }
    public uint Nanosecs { get; init; }
}

/// <summary>A device node or FIFO to create in the container.</summary>
public sealed record LinuxDevice
{
    /// <summary><c>c</c>, <c>u</c>, <c>b</c> or <c>p</c>.</summary>
    public required string Type { get; init; }

    public required string Path { get; init; }
    public long Major { get; init; }
    public long Minor { get; init; }
    public uint? FileMode { get; init; }
    public uint? Uid { get; init; }
    public uint? Gid { get; init; }
}

public sealed record NetDevice
{
    /// <summary>Its name inside; none keeps the one outside.</summary>
    public string? Name { get; init; }
}

public sealed record IntelRdt
{
    [JsonPropertyName("closID")]
    public string? ClosId { get; init; }
    public IReadOnlyList<string>? Schemata { get; init; }
    public string? L3CacheSchema { get; init; }
    public string? MemBwSchema { get; init; }
    public bool? EnableMonitoring { get; init; }
}

/// <summary>See set_mempolicy(2).</summary>
public sealed record MemoryPolicy
{
    public string? Mode { get; init; }
    public string? Nodes { get; init; }
    public IReadOnlyList<string>? Flags { get; init; }
}

/// <summary>See personality(2): <c>LINUX</c> or <c>LINUX32</c>.</summary>
public sealed record Personality
{
    public string? Domain { get; init; }
    public IReadOnlyList<string>? Flags { get; init; }
}

/// <summary>A system-call filter; see seccomp(2) and config-linux.md.</summary>
public sealed record Seccomp
{
    public required string DefaultAction { get; init; }
    public uint? DefaultErrnoRet { get; init; }
    public IReadOnlyList<string>? Architectures { get; init; }
    public IReadOnlyList<string>? Flags { get; init; }
    public string? ListenerPath { get; init; }
    public string? ListenerMetadata { get; init; }
    public IReadOnlyList<SeccompRule>? Syscalls { get; init; }
}

public sealed record SeccompRule
{
    public required IReadOnlyList<string> Names { get; init; }
    public required string Action { get; init; }
    public uint? ErrnoRet { get; init; }
    public IReadOnlyList<SeccompArgument>? Args { get; init; }
}

public sealed record SeccompArgument
{
    public required uint Index { get; init; }
    public required ulong Value { get; init; }
    public ulong ValueTwo { get; init; }
    public required string Op { get; init; }
}
