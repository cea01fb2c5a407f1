namespace Cais.Api;

/// <summary>A request for devices to be sent to device drivers</summary>
public sealed record DeviceRequest
{
    /// <summary>The name of the device driver to use for this request.</summary>
    public string? Driver { get; init; }

    public long? Count { get; init; }

    public IReadOnlyList<string>? DeviceIDs { get; init; }

    /// <summary>A list of capabilities; an OR list of AND lists of capabilities.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Capabilities { get; init; }

    /// <summary>Driver-specific options, specified as a key/value pairs.</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }
}
