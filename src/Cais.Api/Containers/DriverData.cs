namespace Cais.Api;

/// <summary>Information about the storage driver used to store the container's and image's filesystem.</summary>
public sealed record DriverData
{
    /// <summary>Name of the storage driver.</summary>
    public string? Name { get; init; }

    /// <summary>Low-level storage metadata, provided as key/value pairs.</summary>
    public IReadOnlyDictionary<string, string>? Data { get; init; }
}
