namespace Cais.Cli.CommandLine;

/// <summary>One invocation of a command.</summary>
internal sealed class CommandContext(Session session, Command command, string path, ParsedFlags flags, IReadOnlyList<string> arguments)
{
    public Session Session { get; } = session;

    public Command Command { get; } = command;

    /// <summary>The command's full name (<c>cais container ls</c>).</summary>
    public string Path { get; } = path;

    public ParsedFlags Flags { get; } = flags;

    public IReadOnlyList<string> Arguments { get; } = arguments;

    /// <summary>The value of a flag, given or default.</summary>
    public T Get<T>(Flag<T> flag) => Flags.Get(flag);
}
