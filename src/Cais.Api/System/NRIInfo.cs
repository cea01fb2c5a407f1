namespace Cais.Api;

/// <summary>Information about the Node Resource Interface (NRI).</summary>
public sealed record NRIInfo
{
    /// <summary>Information about NRI, provided as "label" / "value" pairs.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Info { get; init; }
}
