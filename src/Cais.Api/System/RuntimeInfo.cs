using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Runtime describes an [OCI compliant](https://github.com/opencontainers/runtime-spec) runtime.</summary>
public sealed record RuntimeInfo
{
    /// <summary>Name and, optional, path, of the OCI executable binary.</summary>
    [JsonPropertyName("path")]
    public string? Path { get; init; }

    /// <summary>List of command-line arguments to pass to the runtime when invoked.</summary>
    [JsonPropertyName("runtimeArgs")]
    public IReadOnlyList<string>? RuntimeArgs { get; init; }

    /// <summary>Information specific to the runtime.</summary>
    [JsonPropertyName("status")]
    public IReadOnlyDictionary<string, string>? Status { get; init; }
}
