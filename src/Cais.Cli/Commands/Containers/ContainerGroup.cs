using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>container ...</c></summary>
internal static class ContainerGroup
{
    public static Command Define() => new()
    {
        Use = "container COMMAND",
        Summary = "Manage containers",
        Category = CommandCategory.Management,
        Children =
        [
            AttachCommand.Define,
            CommitCommand.Define,
            CopyCommand.Define,
            CreateCommand.Define,
            DiffCommand.Define,
            ExecCommand.Define,
            ExportCommand.Define,
            ContainerInspectCommand.Define,
            KillCommand.Define,
            LogsCommand.Define,
            static () => PsCommand.Define("ls"),
            PauseCommand.Define,
            PortCommand.Define,
            ContainerPruneCommand.Define,
            RenameCommand.Define,
            RestartCommand.Define,
            RmCommand.Define,
            RunCommand.Define,
            StartCommand.Define,
            StatsCommand.Define,
            StopCommand.Define,
            TopCommand.Define,
            UnpauseCommand.Define,
            UpdateCommand.Define,
            WaitCommand.Define,
        ],
    };
}
