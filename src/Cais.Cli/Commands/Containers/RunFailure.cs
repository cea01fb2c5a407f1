using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.Containers;

/// <summary>How <c>run</c> and <c>create</c> say that there will be no container, and the exit codes that scripts tell the reasons by.</summary>
internal static class RunFailure
{
    /// <summary>The engine, or the way it was called, is at fault.</summary>
    public const int EngineError = 125;

    /// <summary>The command was found and could not be run.</summary>
    private const int CannotRun = 126;

    /// <summary>The command was not found.</summary>
    private const int NotFound = 127;

    public static int Report(CommandContext context, string message, bool withHelp, int exitCode)
    {
        context.Session.Out.Flush();
        var verb = context.Command.Name;
        context.Session.Err.Write($"{ProductVersion.Name}: {message}\n");
        if (withHelp)
        {
            context.Session.Err.Write($"\nRun '{ProductVersion.Name} {verb} --help' for more information\n");
        }

        return exitCode;
    }

    /// <summary>The exit code for a container that did not start, by the daemon's reason.</summary>
    public static int ExitCode(string message)
    {
        if (message.Contains("executable file not found", StringComparison.Ordinal)
            || message.Contains("no such file or directory", StringComparison.Ordinal)
            || message.Contains("system cannot find the file specified", StringComparison.Ordinal))
        {
            return NotFound;
        }

        return message.Contains("permission denied", StringComparison.Ordinal) || message.Contains("is a directory", StringComparison.Ordinal)
            ? CannotRun
            : EngineError;
    }
}
