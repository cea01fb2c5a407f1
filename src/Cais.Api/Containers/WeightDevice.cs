namespace Cais.Api;

/// <summary>Relative share of a block device's time.</summary>
public sealed record WeightDevice
{
    public string? Path { get; init; }

    public int? Weight { get; init; }
}
