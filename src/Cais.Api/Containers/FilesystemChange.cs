namespace Cais.Api;

/// <summary>Change in the container's filesystem.</summary>
public sealed record FilesystemChange
{
    /// <summary>Path to file or directory that has changed.</summary>
    public string? Path { get; init; }

    public byte? Kind { get; init; }
}
