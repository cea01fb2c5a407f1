namespace Cais.Engine.Builds;

/// <summary>Where a build's cache comes from or goes to: <c>--cache-from</c>, <c>--cache-to</c>.</summary>
/// <param name="Type"><c>registry</c>, <c>local</c> or <c>inline</c>.</param>
/// <param name="Attributes">By buildx's names: ref, src, dest, mode, ignore-error.</param>
public sealed record CacheExchange(string Type, IReadOnlyDictionary<string, string> Attributes)
{
    /// <summary>All steps, not only those whose layers are in the result.</summary>
    public bool IsMax => Attributes.GetValueOrDefault("mode") == "max";

    public bool IgnoresErrors => Attributes.GetValueOrDefault("ignore-error") is "true" or "1";

    /// <summary>Reads the flags' values. Throws <see cref="EngineException"/> for what is not known, or is not supported here.</summary>
    public static IReadOnlyList<CacheExchange> ParseAll(IEnumerable<string> values) => [.. values.Select(Parse)];

    private static CacheExchange Parse(string text)
    {
        // A bare name is an image's.
        if (!text.Contains('=', StringComparison.Ordinal))
        {
            return new CacheExchange("registry", new Dictionary<string, string> { ["ref"] = text });
        }

        var attributes = new Dictionary<string, string>();
        foreach (var field in text.Split(','))
        {
            var equals = field.IndexOf('=', StringComparison.Ordinal);
            attributes[equals < 0 ? field : field[..equals]] = equals < 0 ? "true" : field[(equals + 1)..];
        }

        attributes.Remove("type", out var type);
        return type switch
        {
            "inline" => new CacheExchange(type, attributes),
            "registry" when attributes.ContainsKey("ref") => new CacheExchange(type, attributes),
            "local" when attributes.ContainsKey("src") || attributes.ContainsKey("dest") => new CacheExchange(type, attributes),
            "registry" => throw EngineException.InvalidParameter("a registry cache needs ref=NAME"),
            "local" => throw EngineException.InvalidParameter("a local cache needs src=DIRECTORY or dest=DIRECTORY"),
            null => throw EngineException.InvalidParameter($"type required form> \"{text}\""),
            _ => throw EngineException.InvalidParameter($"unknown cache type \"{type}\": registry, local and inline are known"),
        };
    }
}
