namespace Cais.Build.Language;

public enum MountKind
{
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// <summary>How concurrent steps share a cache mount.</summary>
public enum CacheSharing
{
    Shared,
    Private,
    Locked,
}

/// <summary>One <c>--mount</c> of RUN after expansion. Null is "not given".</summary>
public sealed record RunMount
{
    public MountKind Kind { get; init; }

    public string? Target { get; init; }

    public string? Source { get; init; }

    /// <summary>A stage, named context or image.</summary>
    public string? From { get; init; }

    public bool? ReadOnly { get; init; }

    public string? Id { get; init; }

    public CacheSharing Sharing { get; init; }

    public uint? Mode { get; init; }

    public uint? Uid { get; init; }

    public uint? Gid { get; init; }

    public bool Required { get; init; }

    /// <summary>The variable that a secret is given in.</summary>
    public string? Variable { get; init; }

    /// <summary>Bytes, of a tmpfs.</summary>
    public long? Size { get; init; }

    public bool IsReadOnly => ReadOnly ?? Kind == MountKind.Bind;
}
