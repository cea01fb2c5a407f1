namespace Cais.Cli.Values;

/// <summary>Capabilities of <c>--cap-add</c> and <c>--cap-drop</c> in one notation; which of them win is for the daemon to say.</summary>
internal static class CapabilityOption
{
    private const string All = "ALL";
    private const string Reset = "RESET";

    public static (IReadOnlyList<string>? Add, IReadOnlyList<string>? Drop) Resolve(IReadOnlyList<string> add, IReadOnlyList<string> drop)
    {
        var added = Normalize(add);
        var dropped = Normalize(drop);
        return (added.Count > 0 ? [.. added] : null, dropped.Count > 0 ? [.. dropped] : null);
    }

    private static SortedSet<string> Normalize(IReadOnlyList<string> names)
    {
        var result = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var name in names.Select(static n => n.Trim().ToUpperInvariant()).Where(static n => n.Length > 0))
        {
            result.Add(name is All or Reset || name.StartsWith("CAP_", StringComparison.Ordinal) ? name : "CAP_" + name);
        }

        return result;
    }
}
