using System.Net;

namespace Cais.Client;

/// <summary>The daemon answered with an error. <see cref="Exception.Message"/> is its sentence, unchanged.</summary>
public sealed class EngineApiException(int status, string message) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    public bool IsNotFound => Status == (int)HttpStatusCode.NotFound;

    public bool IsConflict => Status == (int)HttpStatusCode.Conflict;
}

/// <summary>The daemon cannot be reached. The message says which and why.</summary>
public sealed class EngineConnectionException(string message, Exception? inner = null) : IOException(message, inner);
