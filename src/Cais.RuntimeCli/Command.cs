namespace Cais.RuntimeCli;

/// <summary>One option. <paramref name="Name"/> holds its short form behind a bar: <c>bundle|b</c>.</summary>
/// <param name="Value">What help calls its value; null for an option without one.</param>
internal sealed record Option(string Name, string? Value, string Help);

/// <summary>One command: how it is called, and what does it.</summary>
internal sealed record Command(string Name, string Usage, string Summary, Func<Invocation, Arguments, int> Run)
{
    public Option[] Options { get; init; } = [];

    /// <summary>Fewest and most arguments.</summary>
    public (int Least, int Most) Count { get; init; } = (1, 1);

    /// <summary>Everything behind the first argument belongs to the program that runs.</summary>
    public bool StopsAtArgument { get; init; }

    /// <summary>Starts processes of containers, which could reach the program's own file.</summary>
    public bool StartsProcesses { get; init; }

    public Arguments Parse(ReadOnlySpan<string> args)
    {
        List<string> flags = ["help|h", "usage", "?"], values = [];
        foreach (var option in Options)
        {
            (option.Value is null ? flags : values).Add(option.Name);
        }

        var parsed = Arguments.Parse(args, [.. flags], [.. values], StopsAtArgument);
        if (!parsed.AsksForHelp && (parsed.Rest.Count < Count.Least || parsed.Rest.Count > Count.Most))
        {
            var wanted = Count.Least == Count.Most ? $"exactly {Count.Least}" : parsed.Rest.Count < Count.Least ? $"a minimum of {Count.Least}" : $"a maximum of {Count.Most}";
            throw new UsageException($"\"{Name}\" requires {wanted} argument(s): {CommandLine.Program} {Name} {Usage}");
        }

        return parsed;
    }
}
