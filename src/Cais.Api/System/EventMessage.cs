using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>EventMessage represents the information an event contains.</summary>
public sealed record EventMessage
{
    /// <summary>The type of object emitting the event</summary>
    public string? Type { get; init; }

    public string? Action { get; init; }

    public EventActor? Actor { get; init; }

    /// <summary>Scope of the event.</summary>
    [JsonPropertyName("scope")]
    public string? Scope { get; init; }

    /// <summary>Timestamp of event</summary>
    [JsonPropertyName("time")]
    public long? Time { get; init; }

    /// <summary>Timestamp of event, with nanosecond accuracy</summary>
    [JsonPropertyName("timeNano")]
    public long? TimeNano { get; init; }

    // Below: what clients before API 1.52 read instead of Action and Actor.

    [JsonPropertyName("status")]
    public string? Status { get; init; }

    [JsonPropertyName("id")]
    public string? Id { get; init; }

    [JsonPropertyName("from")]
    public string? From { get; init; }
}
