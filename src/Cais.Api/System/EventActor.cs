namespace Cais.Api;

/// <summary>Actor describes something that generates events, like a container, network, or a volume.</summary>
public sealed record EventActor
{
    /// <summary>The ID of the object emitting the event</summary>
    public string? ID { get; init; }

    /// <summary>Various key/value attributes of the object, depending on its type.</summary>
    public IReadOnlyDictionary<string, string>? Attributes { get; init; }
}
