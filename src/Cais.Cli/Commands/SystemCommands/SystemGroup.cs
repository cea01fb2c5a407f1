using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>system ...</c></summary>
internal static class SystemGroup
{
    public static Command Define() => new()
    {
        Use = "system COMMAND",
        Summary = "Manage the engine",
        Category = CommandCategory.Management,
        Children =
        [
            SystemCheckCommand.Define,
            DiskUsageCommand.Define,
            DialStdioCommand.Define,
            EventsCommand.Define,
            InfoCommand.Define,
            SystemPruneCommand.Define,
        ],
    };
}

/// <summary><c>builder ...</c></summary>
internal static class BuilderGroup
{
    public static Command Define() => new()
    {
        Use = "builder COMMAND",
        Summary = "Manage builds",
        Category = CommandCategory.Management,
        Children = [Builds.BuildImageCommand.Define, Builds.BuilderDiskUsage.Define, BuilderPruneCommand.Define],
    };
}

/// <summary><c>help [command]</c></summary>
internal static class HelpCommand
{
    public static Command Define() => new()
    {
        Use = "help [command]",
        Summary = "Show the help of a command",
        Hidden = true,
        Arguments = ArgumentRule.Any,
        Run = static context =>
        {
            var (command, path) = (RootCommand.Define(), ProductVersion.Name);
            foreach (var word in context.Arguments)
            {
                command = CommandRunner.Child(command, word) ?? throw new CommandException($"unknown help topic: {string.Join(' ', context.Arguments)}");
                path = $"{path} {command.Name}";
            }

            HelpWriter.Write(context.Session.Out, command, path, context.Session.Streams.Columns);
            return Task.FromResult(0);
        },
    };
}
