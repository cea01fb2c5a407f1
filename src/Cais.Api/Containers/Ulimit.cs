namespace Cais.Api;

/// <summary>A resource limit of the container's processes; see setrlimit(2) for what each name limits.</summary>
public sealed record Ulimit
{
    public string? Name { get; init; }

    public long? Soft { get; init; }

    public long? Hard { get; init; }
}
