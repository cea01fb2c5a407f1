namespace Cais.Engine;

/// <summary>What kind of failure a request met; the API gives each its HTTP status.</summary>
public enum ErrorKind
{
    /// <summary>Something broke that the caller could not know: 500.</summary>
    System,

    /// <summary>What was asked for is already so: 304.</summary>
    NotModified,

    /// <summary>400.</summary>
    InvalidParameter,

    /// <summary>401.</summary>
    Unauthorized,

    /// <summary>403.</summary>
    Forbidden,

    /// <summary>404.</summary>
    NotFound,

    /// <summary>409.</summary>
    Conflict,

    /// <summary>501.</summary>
    NotImplemented,

    /// <summary>503.</summary>
    Unavailable,
}

/// <summary>A request that cannot be done, in the words that docker's users know.</summary>
public sealed class EngineException : Exception
{
    public EngineException(ErrorKind kind, string message, Exception? cause = null) : base(message, cause) => Kind = kind;

    public ErrorKind Kind { get; }

    public static EngineException NotFound(string message) => new(ErrorKind.NotFound, message);

    public static EngineException InvalidParameter(string message) => new(ErrorKind.InvalidParameter, message);

    public static EngineException Conflict(string message) => new(ErrorKind.Conflict, message);

    public static EngineException NotModified() => new(ErrorKind.NotModified, "not modified");

    public static EngineException Forbidden(string message) => new(ErrorKind.Forbidden, message);

    public static EngineException System(string message, Exception? cause = null) => new(ErrorKind.System, message, cause);

    public static EngineException NotImplemented(string message) => new(ErrorKind.NotImplemented, message);
}
