namespace Cais.Api;

/// <summary>Describes a permission the user has to accept upon installing the plugin.</summary>
public sealed record PluginPrivilege
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    public IReadOnlyList<string>? Value { get; init; }
}
