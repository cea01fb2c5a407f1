namespace Cais.Api;

/// <summary>Available plugins per type.</summary>
public sealed record PluginsInfo
{
    /// <summary>Names of available volume-drivers, and network-driver plugins.</summary>
    public IReadOnlyList<string>? Volume { get; init; }

    /// <summary>Names of available network-drivers, and network-driver plugins.</summary>
    public IReadOnlyList<string>? Network { get; init; }

    /// <summary>Names of available authorization plugins.</summary>
    public IReadOnlyList<string>? Authorization { get; init; }

    /// <summary>Names of available logging-drivers, and logging-driver plugins.</summary>
    public IReadOnlyList<string>? Log { get; init; }
}
