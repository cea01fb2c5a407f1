namespace Cais.Api;

/// <summary>A device mapping between the host and container</summary>
public sealed record DeviceMapping
{
    public string? PathOnHost { get; init; }

    public string? PathInContainer { get; init; }

    public string? CgroupPermissions { get; init; }
}
