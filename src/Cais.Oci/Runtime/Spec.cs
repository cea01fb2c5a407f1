using System.Text.Json.Serialization;

namespace Cais.Oci.Runtime;

/// <summary>A container's <c>config.json</c>; see config.md of the OCI runtime specification. Unknown properties are ignored, as it asks.</summary>
public sealed record Spec
{
    /// <summary>The newest version of the specification that these types know.</summary>
    public const string NewestVersion = "1.3.0";

    public string OciVersion { get; init; } = NewestVersion;
    public Process? Process { get; init; }
    public Root? Root { get; init; }
    public string? Hostname { get; init; }
    public string? Domainname { get; init; }
    public IReadOnlyList<Mount>? Mounts { get; init; }
    public Hooks? Hooks { get; init; }
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }
    public LinuxConfig? Linux { get; init; }
}

/// <summary>Where the container's root filesystem is, relative to the bundle unless absolute.</summary>
public sealed record Root
{
    public required string Path { get; init; }
    public bool Readonly { get; init; }
}

/// <summary>A mount, made in the order listed. <see cref="Options"/> are the words of config.md, everything else goes to the filesystem.</summary>
public sealed record Mount
{
    public required string Destination { get; init; }
    public string? Source { get; init; }
    public string? Type { get; init; }
    public IReadOnlyList<string>? Options { get; init; }

    /// <summary>For an idmapped mount; empty means the container's own mapping where <c>idmap</c> is among the options.</summary>
    public IReadOnlyList<IdMapping>? UidMappings { get; init; }

    public IReadOnlyList<IdMapping>? GidMappings { get; init; }
}

/// <summary>Programs run at the six points of a container's life, each with the container's state on its standard input.</summary>
public sealed record Hooks
{
    public IReadOnlyList<Hook>? Prestart { get; init; }
    public IReadOnlyList<Hook>? CreateRuntime { get; init; }
    public IReadOnlyList<Hook>? CreateContainer { get; init; }
    public IReadOnlyList<Hook>? StartContainer { get; init; }
    public IReadOnlyList<Hook>? Poststart { get; init; }
    public IReadOnlyList<Hook>? Poststop { get; init; }
}

public sealed record Hook
{
    /// <summary>Absolute.</summary>
    public required string Path { get; init; }

    /// <summary>As execv(3): the first is the name the program sees as its own.</summary>
    public IReadOnlyList<string>? Args { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Seconds, at least 1; none means no limit.</summary>
    public int? Timeout { get; init; }
}

/// <summary>A range of ids, <see cref="Size"/> long, that are <see cref="ContainerId"/>… inside and <see cref="HostId"/>… outside.</summary>
public sealed record IdMapping
{
    [JsonPropertyName("containerID")]
    public required uint ContainerId { get; init; }
    [JsonPropertyName("hostID")]
    public required uint HostId { get; init; }
    public required uint Size { get; init; }
}
