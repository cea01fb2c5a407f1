namespace Cais.Api;

public sealed record PluginEnv
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    public IReadOnlyList<string>? Settable { get; init; }

    public string? Value { get; init; }
}
