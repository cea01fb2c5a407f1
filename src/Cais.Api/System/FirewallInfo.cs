namespace Cais.Api;

/// <summary>Information about the daemon's firewalling configuration.</summary>
public sealed record FirewallInfo
{
    /// <summary>The name of the firewall backend driver.</summary>
    public string? Driver { get; init; }

    /// <summary>Information about the firewall backend, provided as "label" / "value" pairs.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Info { get; init; }
}
