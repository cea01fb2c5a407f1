namespace Cais.Cli.CommandLine;

/// <summary>A command line option as data: what it is called, what it takes, what the help says.</summary>
internal abstract class Flag(string name, string type, string usage)
{
    public string Name { get; } = name;

    /// <summary>Type of the value, in the words of docker's reference (<c>bool</c>, <c>list</c>, <c>int64</c> ...).</summary>
    public string Type { get; } = type;

    /// <summary>What it does, for the help. A word in backquotes names the value instead of the type.</summary>
    public string Usage { get; } = usage;

    public char? Shorthand { get; init; }

    /// <summary>Default as the help prints it; empty when there is nothing to say.</summary>
    public string DefaultText { get; init; } = "";

    public bool Hidden { get; init; }

    /// <summary>What to use instead, for a flag that is on its way out: printed when it is used.</summary>
    public string? Deprecated { get; init; }

    /// <summary>API version from which the daemon understands it; null for always.</summary>
    public string? ApiVersion { get; init; }

    /// <summary>Operating system of the daemon that it is for; null for all.</summary>
    public string? OsType { get; init; }

    /// <summary>The flag whose value this one sets: itself, or for a second name (<c>--net</c>) the first (<c>--network</c>).</summary>
    public Flag Target { get; init; } = null!;

    /// <summary>A switch stands alone; everything else takes a value.</summary>
    public bool IsSwitch => Type == "bool";

    public Flag Storage => Target ?? this;

    /// <summary>The value that a further occurrence gives, <paramref name="previous"/> being null at the first.</summary>
    /// <exception cref="FormatException">The text is no such value; the message says why.</exception>
    public abstract object? Parse(string text, object? previous);
}

/// <summary>A flag with values of type <typeparamref name="T"/>.</summary>
internal sealed class Flag<T>(string name, string type, string usage, T defaultValue, Func<string, T, T> parse) : Flag(name, type, usage)
{
    public T Default { get; } = defaultValue;

    /// <summary>A second, hidden name of this flag.</summary>
    /// <param name="alias">The name.</param>
    /// <param name="deprecated">What to use instead, if the name is on its way out.</param>
    public Flag<T> HiddenAlias(string alias, string? deprecated = null) =>
        new(alias, Type, Usage, Default, parse) { Hidden = true, Target = this, Deprecated = deprecated, DefaultText = DefaultText };

    /// <summary>This flag where the daemon understands it only from an API version on; the value is one and the same.</summary>
    public Flag<T> Since(string api) => new(Name, Type, Usage, Default, parse) { Shorthand = Shorthand, DefaultText = DefaultText, Target = this, ApiVersion = api };

    public override object? Parse(string text, object? previous) => parse(text, previous is T value ? value : Default);
}
