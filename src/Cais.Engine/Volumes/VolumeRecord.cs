namespace Cais.Engine.Volumes;

/// <summary>A volume.</summary>
public sealed record VolumeRecord
{
    public required string Name { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary><c>local</c> or the name of a plugin.</summary>
    public string Driver { get; init; } = "local";

    /// <summary>Where its content is, in the host's file system; empty while a plugin has not said where.</summary>
    public required string Path { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>The driver's options; the local driver's are <c>type</c>, <c>device</c>, <c>o</c> and <c>size</c>.</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }

    /// <summary>Made without a name: pruned by default.</summary>
    public bool Anonymous { get; init; }

    /// <summary><c>local</c>, or <c>global</c> for a plugin whose volumes are the same on every host.</summary>
    public string? Scope { get; init; }

    /// <summary>The number under which the file system limits its size; 0 without a limit.</summary>
    public uint Project { get; init; }
}
