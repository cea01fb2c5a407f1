namespace Cais.Cli.CommandLine;

/// <summary>The values of a command's flags: given or default.</summary>
internal sealed class ParsedFlags
{
    private readonly Dictionary<Flag, object?> _values = [];

    /// <summary>The value given, or the default.</summary>
    public T Get<T>(Flag<T> flag) => _values.TryGetValue(flag.Storage, out var value) ? (T)value! : flag.Default;

    /// <summary>Whether the flag was given, whatever its value.</summary>
    public bool Changed(Flag flag) => _values.ContainsKey(flag.Storage);

    /// <exception cref="FormatException">The text is no value of that flag.</exception>
    public void Set(Flag flag, string text) => _values[flag.Storage] = flag.Parse(text, _values.GetValueOrDefault(flag.Storage));
}
