namespace Cais.Cli.Values;

/// <summary>Options of the form <c>key=value</c>.</summary>
internal static class MapOption
{
    public static IReadOnlyDictionary<string, string> Add(string pair, IReadOnlyDictionary<string, string> previous)
    {
        var (key, value) = Split(pair);
        return new Dictionary<string, string>(previous) { [key] = value };
    }

    /// <summary>Pairs to a dictionary; a key without a value gets an empty one.</summary>
    public static IReadOnlyDictionary<string, string> FromPairs(IEnumerable<string> pairs)
    {
        var map = new Dictionary<string, string>();
        foreach (var pair in pairs)
        {
            var (key, value) = Split(pair);
            map[key] = value;
        }

        return map;
    }

    public static (string Key, string Value) Split(string pair)
    {
        var equals = pair.IndexOf('=');
        return equals < 0 ? (pair, "") : (pair[..equals], pair[(equals + 1)..]);
    }
}
