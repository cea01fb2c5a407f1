namespace Cais.Engine.Volumes;

/// <summary>A volume of the local driver.</summary>
public sealed record VolumeRecord
{
    public required string Name { get; init; }

    public required DateTimeOffset Created { get; init; }

    public string Driver { get; init; } = "local";

    /// <summary>Where its content is, in the host's file system.</summary>
    public required string Path { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Mount options (<c>type</c>, <c>device</c>, <c>o</c>), for a volume that is a mount of something else.</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }

    /// <summary>Made without a name: pruned by default.</summary>
    public bool Anonymous { get; init; }
}
