namespace Cais.Cli.CommandLine;

/// <summary>A command ends early. The message, if there is one, goes to standard error as it is.</summary>
internal sealed class CommandException(string message, int exitCode = 1) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
