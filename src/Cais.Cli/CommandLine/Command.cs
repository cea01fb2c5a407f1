namespace Cais.Cli.CommandLine;

/// <summary>A command as data: its place in the tree, its flags, its arguments, and what it does.</summary>
internal sealed class Command
{
    /// <summary>Name and synopsis below the parent (<c>run [OPTIONS] IMAGE [COMMAND] [ARG...]</c>). Further lines stand as they are.</summary>
    public required string Use { get; init; }

    /// <summary>One line for the list of commands.</summary>
    public required string Summary { get; init; }

    /// <summary>Longer text for the command's own help; the summary where null.</summary>
    public string? Description { get; init; }

    /// <summary>Other names at the same place in the tree (<c>list</c> for <c>ls</c>).</summary>
    public IReadOnlyList<string> OtherNames { get; init; } = [];

    /// <summary>Every path that leads to the same command, as the help lists them.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    public IReadOnlyList<Flag> Flags { get; init; } = [];

    public ArgumentRule Arguments { get; init; } = ArgumentRule.None;

    /// <summary>False when everything behind the first argument belongs to it (<c>run IMAGE COMMAND --its-flags</c>).</summary>
    public bool Interspersed { get; init; } = true;

    /// <summary>Commands below this one.</summary>
    public IReadOnlyList<Func<Command>> Children { get; init; } = [];

    public bool Hidden { get; init; }

    /// <summary>Under which heading the root's help lists it.</summary>
    public CommandCategory Category { get; init; }

    /// <summary>What the command does; null for a group. The result is the exit code.</summary>
    public Func<CommandContext, Task<int>>? Run { get; init; }

    public string Name => Use.Split(' ', '\n')[0];

    public bool IsNamed(string name) => Name == name || OtherNames.Contains(name);
}

internal enum CommandCategory
{
    Ordinary,
    Common,
    Management,
    Swarm,
}
