namespace Cais.Client;

/// <summary>How an <see cref="EngineClient"/> reaches its daemon.</summary>
public sealed record EngineClientOptions
{
    public required EngineEndpoint Endpoint { get; init; }

    /// <summary>API version to insist on (<c>1.41</c>); null takes the newest that both sides know.</summary>
    public string? ApiVersion { get; init; }

    /// <summary>
    /// Every call finishes on the calling thread before it returns its task. For programs that do one thing at a time: it saves
    /// them the start of the thread pool. Cancellation still works, by breaking the connection off.
    /// </summary>
    public bool BlockingIo { get; init; }

    public string UserAgent { get; init; } = "Cais-Client";

    /// <summary>Header fields sent with every request (docker's <c>HttpHeaders</c> configuration).</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>How long a TCP connection may take to come about.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
