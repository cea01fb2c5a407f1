namespace Cais.Networking;

/// <summary>What kind of failure a <see cref="NetworkException"/> is; the Engine API turns it into a status code.</summary>
public enum NetworkError
{
    /// <summary>No such network, endpoint or sandbox (404).</summary>
    NotFound,

    /// <summary>The name, address or membership is taken (409).</summary>
    Conflict,

    /// <summary>What was asked for is not allowed for this network (403), such as removing a built-in or used one.</summary>
    Forbidden,

    /// <summary>The request makes no sense (400).</summary>
    InvalidParameter,

    /// <summary>An address pool or port range has nothing left (500).</summary>
    Exhausted,

    /// <summary>The host port is taken (500).</summary>
    PortAllocated,

    /// <summary>The kernel of this machine lacks what the driver needs (501).</summary>
    Unsupported,

    /// <summary>The kernel refused (500); the inner exception says what.</summary>
    Kernel,
}

/// <summary>A network operation failed. The message is a sentence for the user, in Docker's words where Docker has one.</summary>
public class NetworkException(NetworkError error, string message, Exception? inner = null) : Exception(message, inner)
{
    public NetworkError Error { get; } = error;
}

/// <summary>
/// A host port is taken: by another container (<c>Bind for 0.0.0.0:8080 failed: port is already allocated</c>) or by another program
/// (<c>listen tcp4 0.0.0.0:8080: bind: address already in use</c>).
/// </summary>
public sealed class PortAllocatedException(string message, Exception? inner = null) : NetworkException(NetworkError.PortAllocated, message, inner);
