namespace Cais.Api;

public sealed record ExecStartRequest
{
    /// <summary>Detach from the command.</summary>
    public bool? Detach { get; init; }

    /// <summary>Allocate a pseudo-TTY.</summary>
    public bool? Tty { get; init; }

    /// <summary>Initial console size, as an `[height, width]` array.</summary>
    public IReadOnlyList<long>? ConsoleSize { get; init; }
}
