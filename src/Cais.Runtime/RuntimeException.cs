namespace Cais.Runtime;

/// <summary>Why the runtime refused.</summary>
public enum RuntimeError
{
    /// <summary>The configuration cannot be carried out.</summary>
    InvalidConfig,
    NotFound,
    AlreadyExists,

    /// <summary>The container is in a state in which this cannot be done.</summary>
    WrongState,

    /// <summary>The program to run does not exist or cannot be executed.</summary>
    Executable,
    Hook,

    /// <summary>The kernel refused something on the way.</summary>
    Failed,
}

/// <summary>The runtime could not do what was asked; the message says what, with which object, and what to do.</summary>
public sealed class RuntimeException(RuntimeError error, string message, Exception? inner = null) : Exception(message, inner)
{
    public RuntimeError Error { get; } = error;
}
