using System.Text.Json.Serialization;

namespace Cais.Oci.Runtime;

/// <summary>What runs in the container, and as whom.</summary>
public sealed record Process
{
    public bool Terminal { get; init; }
    public ConsoleSize? ConsoleSize { get; init; }
    public User? User { get; init; }
    public IReadOnlyList<string>? Args { get; init; }
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Absolute path inside the container.</summary>
    public required string Cwd { get; init; }

    public Capabilities? Capabilities { get; init; }
    public IReadOnlyList<Rlimit>? Rlimits { get; init; }
    public bool NoNewPrivileges { get; init; }
    public string? ApparmorProfile { get; init; }
    public int? OomScoreAdj { get; init; }
    public string? SelinuxLabel { get; init; }
    public IoPriority? IoPriority { get; init; }
    public Scheduler? Scheduler { get; init; }
    [JsonPropertyName("execCPUAffinity")]
    public ExecCpuAffinity? ExecCpuAffinity { get; init; }
}

/// <summary>Terminal size in characters.</summary>
public sealed record ConsoleSize
{
    public ulong Height { get; init; }
    public ulong Width { get; init; }
}

public sealed record User
{
    public uint Uid { get; init; }
    public uint Gid { get; init; }

    /// <summary>Bits taken from every new file's mode; none means 0022.</summary>
    public uint? Umask { get; init; }

    public IReadOnlyList<uint>? AdditionalGids { get; init; }
    public string? Username { get; init; }
}

/// <summary>The five sets of capabilities(7), each by names such as <c>CAP_CHOWN</c>.</summary>
public sealed record Capabilities
{
    public IReadOnlyList<string>? Bounding { get; init; }
    public IReadOnlyList<string>? Effective { get; init; }
    public IReadOnlyList<string>? Inheritable { get; init; }
    public IReadOnlyList<string>? Permitted { get; init; }
    public IReadOnlyList<string>? Ambient { get; init; }
}

/// <summary>A limit of getrlimit(2): <c>RLIMIT_NOFILE</c> and the like. <see cref="ulong.MaxValue"/> is unlimited.</summary>
public sealed record Rlimit
{
    public required string Type { get; init; }
    public required ulong Soft { get; init; }
    public required ulong Hard { get; init; }
}

/// <summary>See ioprio_set(2).</summary>
public sealed record IoPriority
{
    public required string Class { get; init; }
    public int Priority { get; init; }
}

/// <summary>See sched_setattr(2). Times are nanoseconds.</summary>
public sealed record Scheduler
{
    public required string Policy { get; init; }
    public int? Nice { get; init; }
    public int? Priority { get; init; }
    public IReadOnlyList<string>? Flags { get; init; }
    public ulong? Runtime { get; init; }
    public ulong? Deadline { get; init; }
    public ulong? Period { get; init; }
}

/// <summary>CPU lists for <c>exec</c>: while entering the container's cgroup, and from then on.</summary>
public sealed record ExecCpuAffinity
{
    public string? Initial { get; init; }
    public string? Final { get; init; }
}
