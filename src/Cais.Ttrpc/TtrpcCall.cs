using Google.Protobuf.Collections;
using Ttrpc;

namespace Cais.Ttrpc;

/// <summary>What a handler may know of the call besides its request.</summary>
public sealed class TtrpcCall
{
    private readonly RepeatedField<KeyValue> _metadata;

    internal TtrpcCall(RepeatedField<KeyValue> metadata, CancellationToken cancellation)
    {
        _metadata = metadata;
        Cancellation = cancellation;
    }

    /// <summary>Fires when the caller's time-out has passed or its connection is gone.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>A value that the caller sent along, or null.</summary>
    public string? Metadata(string key) => _metadata.FirstOrDefault(pair => pair.Key == key)?.Value;
}
