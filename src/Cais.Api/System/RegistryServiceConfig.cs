namespace Cais.Api;

/// <summary>RegistryServiceConfig stores daemon registry services configuration.</summary>
public sealed record RegistryServiceConfig
{
    /// <summary>List of IP ranges of insecure registries, using the CIDR syntax ([RFC 4632](https://tools.ietf.org/html/4632)).</summary>
    public IReadOnlyList<string>? InsecureRegistryCIDRs { get; init; }

    public IReadOnlyDictionary<string, IndexInfo>? IndexConfigs { get; init; }

    /// <summary>List of registry URLs that act as a mirror for the official (`docker.io`) registry.</summary>
    public IReadOnlyList<string>? Mirrors { get; init; }
}
