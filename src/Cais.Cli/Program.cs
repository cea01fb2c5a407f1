using Cais.Cli;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands;
using Cais.Cli.Terminal;

AppDomain.CurrentDomain.UnhandledException += static (_, _) => TerminalMode.RestoreAll();
using var session = new Session(StandardStreams.OfProcess(), Environment.GetEnvironmentVariable);
return await new CommandRunner(session, RootCommand.Define()).RunAsync(args).ConfigureAwait(false);
