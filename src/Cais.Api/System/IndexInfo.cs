namespace Cais.Api;

/// <summary>IndexInfo contains information about a registry.</summary>
public sealed record IndexInfo
{
    /// <summary>Name of the registry, such as "docker.io".</summary>
    public string? Name { get; init; }

    /// <summary>List of mirrors, expressed as URIs.</summary>
    public IReadOnlyList<string>? Mirrors { get; init; }

    /// <summary>Indicates if the registry is part of the list of insecure registries.</summary>
    public bool? Secure { get; init; }

    /// <summary>Indicates whether this is an official registry (i.e., Docker Hub / docker.io)</summary>
    public bool? Official { get; init; }
}
