namespace Cais.Api;

/// <summary>DeviceInfo represents a device that can be used by a container.</summary>
public sealed record DeviceInfo
{
    /// <summary>The origin device driver.</summary>
    public string? Source { get; init; }

    /// <summary>The unique identifier for the device within its source driver.</summary>
    public string? ID { get; init; }
}
