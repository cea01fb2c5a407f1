using System.Diagnostics.CodeAnalysis;

namespace Cais.Build.Language.Expansion;

/// <summary>Where expansion finds values.</summary>
public interface IVariables
{
    /// <summary>False if the variable is unset, which differs from empty.</summary>
    bool TryGet(string name, [NotNullWhen(true)] out string? value);

    /// <summary>The names that are set, for suggestions.</summary>
    IEnumerable<string> Names { get; }
}

/// <summary>Variables from a dictionary.</summary>
public sealed class DictionaryVariables(IReadOnlyDictionary<string, string> values) : IVariables
{
    public static readonly DictionaryVariables Empty = new(new Dictionary<string, string>());

    public IEnumerable<string> Names => values.Keys;

    public bool TryGet(string name, [NotNullWhen(true)] out string? value) => values.TryGetValue(name, out value);
}
