using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record IPAM
{
    /// <summary>Name of the IPAM driver to use.</summary>
    public string? Driver { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<IPAMConfig>? Config { get; init; }

    /// <summary>Driver-specific options, specified as a map.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? Options { get; init; }
}
