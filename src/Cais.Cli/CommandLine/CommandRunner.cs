using Cais.Cli.Commands;
using Cais.Client;

namespace Cais.Cli.CommandLine;

/// <summary>Finds the command that the words name, parses its flags, runs it, and turns whatever goes wrong into docker's sentences and exit codes.</summary>
internal sealed class CommandRunner(Session session, Command root)
{
    /// <summary>docker's exit code for a flag that it does not know or cannot read.</summary>
    private const int BadFlag = 125;

    public async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var path = ProductVersion.Name;
        var command = root;
        try
        {
            var rest = words;
            while (true)
            {
                var isGroup = command.Children.Count > 0;
                var parser = new FlagParser(command.Flags, command.Interspersed && !isGroup, session.Out);
                try
                {
                    parser.Parse(rest);
                }
                catch (CommandLineException e)
                {
                    session.Err.Write($"{e.Message}\n\n{HelpWriter.UsageLine(command, path)}\nRun '{path} --help' for more information\n");
                    return BadFlag;
                }

                if (parser.HelpRequested)
                {
                    HelpWriter.Write(session.Out, command, path, session.Streams.Columns);
                    return 0;
                }

                if (command == root)
                {
                    session.Global = RootCommand.Options(parser.Parsed);
                }

                if (isGroup && parser.Arguments.Count > 0)
                {
                    if (Child(command, parser.Arguments[0]) is { } child)
                    {
                        path = $"{path} {child.Name}";
                        command = child;
                        rest = [.. parser.Arguments.Skip(1)];
                        continue;
                    }

                    return command == root && PluginRunner.Find(session, parser.Arguments[0]) is { } plugin
                        ? PluginRunner.Become(session, plugin, words)
                        : UnknownCommand(command, path, parser.Arguments[0]);
                }

                var context = new CommandContext(session, command, path, parser.Parsed, parser.Arguments);
                if (command.Run is null)
                {
                    HelpWriter.Write(session.Err, command, path, session.Streams.Columns);
                    return 0;
                }

                if (command.Arguments.Violation(parser.Arguments.Count) is { } violation)
                {
                    var see = command.Arguments is { Maximum: int.MaxValue } ? "See" : "Run";
                    session.Err.Write(
                        $"{ProductVersion.Name}: '{path}' {violation}\n\n{HelpWriter.UsageLine(command, path)}\n{see} '{path} --help' for more information\n");
                    return 1;
                }

                return await command.Run(context).ConfigureAwait(false);
            }
        }
        catch (CommandException e)
        {
            return Fail(e.Message, e.ExitCode);
        }
        catch (EngineApiException e)
        {
            return Fail("Error response from daemon: " + e.Message, 1);
        }
        catch (Exception e) when (e is EngineConnectionException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return Fail(e.Message, 1);
        }
        finally
        {
            await session.Out.FlushAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The command of that name below <paramref name="group"/>, or null.</summary>
    public static Command? Child(Command group, string name)
    {
        foreach (var make in group.Children)
        {
            var child = make();
            if (child.IsNamed(name))
            {
                return child;
            }
        }

        return null;
    }

    private int Fail(string message, int exitCode)
    {
        session.Out.Flush();
        if (message.Length > 0)
        {
            session.Err.Write(message + "\n");
        }

        return exitCode;
    }

    private int UnknownCommand(Command group, string path, string name)
    {
        session.Err.Write($"{ProductVersion.Name}: unknown command: {path} {name}\n\n");
        if (group != root)
        {
            session.Err.Write($"Usage:  {path}\n\n");
        }

        session.Err.Write($"Run '{path} --help' for more information\n");
        return 1;
    }
}
