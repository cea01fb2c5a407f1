using System.Text.Json;

namespace Cais.Api;

/// <summary>Volume configuration</summary>
public sealed record VolumeUpdateRequest
{
    public JsonElement? Spec { get; init; }
}
