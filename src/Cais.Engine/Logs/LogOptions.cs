using System.Globalization;

namespace Cais.Engine.Logs;

/// <summary>
/// Options of the json-file driver. Unlike docker's its files are bounded unless the user says otherwise: logs that fill the disk are what
/// users regret most (moby#40207).
/// </summary>
public sealed record LogOptions
{
    public const long DefaultMaxSize = 20_000_000;
    public const int DefaultMaxFiles = 5;

    /// <summary>Bytes after which a file is set aside; -1 for never.</summary>
    public long MaxSize { get; init; } = DefaultMaxSize;

    /// <summary>How many files there are, with the one being written.</summary>
    public int MaxFiles { get; init; } = DefaultMaxFiles;

    /// <summary>Whether files that were set aside are compressed.</summary>
    public bool Compress { get; init; }

    /// <summary>Text put into each line's <c>attrs</c>, from labels and environment.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    private static readonly string[] Known =
        ["max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

    /// <summary>Reads <c>--log-opt</c>. Throws <see cref="EngineException"/> with docker's sentence for what is wrong.</summary>
    public static LogOptions Parse(
        IReadOnlyDictionary<string, string>? options, IReadOnlyDictionary<string, string>? labels = null, IReadOnlyList<string>? environment = null)
    {
        var result = new LogOptions();
        if (options is null)
        {
            return result;
        }

        foreach (var name in options.Keys)
        {
            if (!Known.Contains(name))
            {
                throw EngineException.InvalidParameter($"unknown log opt '{name}' for json-file log driver");
            }
        }

        if (options.TryGetValue("max-size", out var size))
        {
            var bytes = size == "-1" ? -1 : Sizes.TryParse(size, out var parsed) ? parsed : 0;
            result = bytes != 0
                ? result with { MaxSize = bytes, MaxFiles = options.ContainsKey("max-file") ? result.MaxFiles : 1 }
                : throw EngineException.InvalidParameter($"invalid value for max-size: {size}: must be a positive number of bytes");
        }

        if (options.TryGetValue("max-file", out var files))
        {
            result = int.TryParse(files, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count >= 1
                ? result with { MaxFiles = count }
                : throw EngineException.InvalidParameter("max-file cannot be less than 1");
        }

        if (options.TryGetValue("compress", out var compress))
        {
            var on = compress is "true" or "1" or "t" or "T" or "TRUE" or "True";
            if (!on && compress is not ("false" or "0" or "f" or "F" or "FALSE" or "False"))
            {
                throw EngineException.InvalidParameter($"strconv.ParseBool: parsing \"{compress}\": invalid syntax");
            }

            if (on && (result.MaxFiles == 1 || result.MaxSize == -1))
            {
                throw EngineException.InvalidParameter("compress cannot be true when max-file is less than 2 or max-size is not set");
            }

            result = result with { Compress = on };
        }

        return result with { Attributes = AttributesOf(options, labels, environment) };
    }

    private static Dictionary<string, string> AttributesOf(
        IReadOnlyDictionary<string, string> options, IReadOnlyDictionary<string, string>? labels, IReadOnlyList<string>? environment)
    {
        var attributes = new Dictionary<string, string>();
        if (options.TryGetValue("labels", out var wantedLabels) && labels is not null)
        {
            foreach (var name in wantedLabels.Split(','))
            {
                if (labels.TryGetValue(name, out var value))
                {
                    attributes[name] = value;
                }
            }
        }

        if (options.TryGetValue("env", out var wantedVariables) && environment is not null)
        {
            foreach (var name in wantedVariables.Split(','))
            {
                if (environment.FirstOrDefault(e => e.StartsWith(name + "=", StringComparison.Ordinal)) is { } found)
                {
                    attributes[name] = found[(name.Length + 1)..];
                }
            }
        }

        if (options.TryGetValue("tag", out var tag) && tag.Length > 0)
        {
            attributes["tag"] = tag;
        }

        return attributes;
    }
}
