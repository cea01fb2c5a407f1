namespace Cais.Api;

public sealed record PluginMount
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    public IReadOnlyList<string>? Settable { get; init; }

    public string? Source { get; init; }

    public string? Destination { get; init; }

    public string? Type { get; init; }

    public IReadOnlyList<string>? Options { get; init; }
}
