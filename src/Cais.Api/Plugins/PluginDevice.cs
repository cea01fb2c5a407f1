namespace Cais.Api;

public sealed record PluginDevice
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    public IReadOnlyList<string>? Settable { get; init; }

    public string? Path { get; init; }
}
