using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Commands.Contexts;
using Cais.Cli.Commands.Images;
using Cais.Cli.Commands.Networks;
using Cais.Cli.Commands.SystemCommands;
using Cais.Cli.Commands.Volumes;
using Cais.Cli.Completion;

namespace Cais.Cli.Commands;

/// <summary>The tree of all commands.</summary>
internal static class RootCommand
{
    private static readonly Flag<string> Config = Flags.Text("config", "Directory of the client's configuration", defaultValue: DefaultDirectory);
    private static readonly Flag<string> Context = Flags.Text("context", "Context that says which daemon to use (before DOCKER_HOST and the default context)", 'c');
    private static readonly Flag<bool> Debug = Flags.Bool("debug", "Enable debug mode", 'D');
    private static readonly Flag<IReadOnlyList<string>> Host = Flags.List("host", "Daemon socket to connect to", 'H');
    private static readonly Flag<string> LogLevel = Flags.Text("log-level", "How much to log (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")", 'l', "info");
    private static readonly Flag<bool> Tls = Flags.Bool("tls", "Use TLS; implied by --tlsverify");
    private static readonly Flag<string> TlsCaCert = Flags.Text("tlscacert", "Trust only certificates signed by this CA", defaultValue: DefaultDirectory + "/ca.pem");
    private static readonly Flag<string> TlsCert = Flags.Text("tlscert", "TLS certificate of this client", defaultValue: DefaultDirectory + "/cert.pem");
    private static readonly Flag<string> TlsKey = Flags.Text("tlskey", "Key of that certificate", defaultValue: DefaultDirectory + "/key.pem");
    private static readonly Flag<bool> TlsVerify = Flags.Bool("tlsverify", "Use TLS and check the daemon's certificate");
    private static readonly Flag<bool> Version = Flags.Bool("version", "Print version information and quit", 'v');

    private static string DefaultDirectory => System.IO.Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/", ".docker");

    public static Command Define() => new()
    {
        Use = "cais [OPTIONS] COMMAND",
        Summary = "A container engine in one stack",
        Interspersed = false,
        Arguments = ArgumentRule.Any,
        Flags = [Config, Context, Debug, Host, LogLevel, Tls, TlsCaCert, TlsCert, TlsKey, TlsVerify, Version],
        Children =
        [
            RunCommand.Define,
            ExecCommand.Define,
            static () => PsCommand.Define("ps"),
            Builds.BuildImageCommand.Define,
            PullCommand.Define,
            PushCommand.Define,
            static () => ImagesCommand.Define("images"),
            LoginCommand.Define,
            LogoutCommand.Define,
            SearchCommand.Define,
            VersionCommand.Define,
            InfoCommand.Define,

            BuilderGroup.Define,
            CheckpointGroup.Define,
            ContainerGroup.Define,
            ContextGroup.Define,
            ImageGroup.Define,
            ManifestGroup.Define,
            NetworkGroup.Define,
            SystemGroup.Define,
            VolumeGroup.Define,

            AttachCommand.Define,
            CommitCommand.Define,
            CopyCommand.Define,
            CreateCommand.Define,
            DiffCommand.Define,
            EventsCommand.Define,
            ExportCommand.Define,
            HistoryCommand.Define,
            ImportCommand.Define,
            InspectCommand.Define,
            KillCommand.Define,
            LoadCommand.Define,
            LogsCommand.Define,
            PauseCommand.Define,
            PortCommand.Define,
            RenameCommand.Define,
            RestartCommand.Define,
            RmCommand.Define,
            static () => RmiCommand.Define("rmi"),
            SaveCommand.Define,
            StartCommand.Define,
            StatsCommand.Define,
            StopCommand.Define,
            TagCommand.Define,
            TopCommand.Define,
            UnpauseCommand.Define,
            UpdateCommand.Define,
            WaitCommand.Define,

            HelpCommand.Define,
            CompletionCommand.Define,
            CompleteCommand.Define,
        ],
        Run = RunAsync,
    };

    /// <exception cref="CommandException">A level of logging that there is not.</exception>
    public static GlobalOptions Options(ParsedFlags flags) => IsLevel(flags.Get(LogLevel))
        ? Read(flags)
        : throw new CommandException($"Unable to parse logging level: {flags.Get(LogLevel)}");

    private static bool IsLevel(string text) => text.ToLowerInvariant() is "trace" or "debug" or "info" or "warn" or "warning" or "error" or "fatal" or "panic";

    private static GlobalOptions Read(ParsedFlags flags) => new()
    {
        ConfigDirectory = flags.Changed(Config) ? flags.Get(Config) : null,
        Context = flags.Changed(Context) ? flags.Get(Context) : null,
        Debug = flags.Get(Debug),
        Hosts = flags.Get(Host),
        Tls = flags.Get(Tls),
        TlsVerify = flags.Changed(TlsVerify) ? flags.Get(TlsVerify) : null,
        TlsCaCertificate = flags.Changed(TlsCaCert) ? flags.Get(TlsCaCert) : null,
        TlsCertificate = flags.Changed(TlsCert) ? flags.Get(TlsCert) : null,
        TlsKey = flags.Changed(TlsKey) ? flags.Get(TlsKey) : null,
    };

    /// <summary>No command was named: the version if that was asked for, else the help.</summary>
    private static Task<int> RunAsync(CommandContext context)
    {
        if (context.Get(Version))
        {
            context.Session.Out.Write($"Cais version {ProductVersion.Text}, build {ProductVersion.Build}\n");
        }
        else
        {
            HelpWriter.Write(context.Session.Out, context.Command, context.Path, context.Session.Streams.Columns);
        }

        return Task.FromResult(0);
    }
}
