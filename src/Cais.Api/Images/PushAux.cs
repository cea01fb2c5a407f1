namespace Cais.Api;

/// <summary>The last record of a push: what the tag stands for now.</summary>
public sealed record PushAux
{
    public string? Tag { get; init; }

    public string? Digest { get; init; }

    public long? Size { get; init; }
}
