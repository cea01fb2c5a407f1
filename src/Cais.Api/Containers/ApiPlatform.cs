using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ApiPlatform
{
    /// <summary>The CPU architecture, for example `amd64` or `ppc64`.</summary>
    [JsonPropertyName("architecture")]
    public string? Architecture { get; init; }

    /// <summary>The operating system, for example `linux` or `windows`.</summary>
    [JsonPropertyName("os")]
    public string? Os { get; init; }

    /// <summary>Optional field specifying the operating system version, for example on Windows `10.0.19041.1165`.</summary>
    [JsonPropertyName("os.version")]
    public string? OsVersion { get; init; }

    /// <summary>Optional field specifying an array of strings, each listing a required OS feature (for example on Windows `win32k`).</summary>
    [JsonPropertyName("os.features")]
    public IReadOnlyList<string>? OsFeatures { get; init; }

    /// <summary>Optional field specifying a variant of the CPU, for example `v7` to specify ARMv7 when architecture is `arm`.</summary>
    [JsonPropertyName("variant")]
    public string? Variant { get; init; }
}
