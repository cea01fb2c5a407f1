namespace Cais.Ttrpc;

/// <summary>A call was answered with an error. A handler throws it to answer so.</summary>
public sealed class TtrpcException(TtrpcStatusCode code, string message) : Exception(message)
{
    public TtrpcStatusCode Code { get; } = code;

    /// <summary>The method that failed, as <c>service/method</c>, where known.</summary>
    public string? Method { get; init; }
}

/// <summary>The connection went away with calls in flight, or was gone already. Whether the other side carried a call out is not known.</summary>
public sealed class TtrpcClosedException(string message, Exception? cause = null) : IOException(message, cause);
