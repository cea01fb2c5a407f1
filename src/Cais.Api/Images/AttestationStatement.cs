using System.Text.Json;

namespace Cais.Api;

/// <summary>AttestationStatement is a single in-toto statement attached to an image.</summary>
public sealed record AttestationStatement
{
    public ApiDescriptor? Descriptor { get; init; }

    /// <summary>The in-toto predicate type URI of this statement.</summary>
    public string? PredicateType { get; init; }

    /// <summary>The verbatim in-toto statement JSON.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Statement { get; init; }
}
