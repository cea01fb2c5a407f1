namespace Cais.Cli.CommandLine;

/// <summary>The command line is not one of this program's. The message is the sentence for the user, without usage.</summary>
internal sealed class CommandLineException(string message) : Exception(message);
