using System.Globalization;

namespace Cais.Engine.Logs.Files;

/// <summary>
/// How large and how many the files of the drivers json-file and local are. Unlike docker's json-file they are bounded unless the user says otherwise:
/// logs that fill the disk are what users regret most (moby#40207).
/// </summary>
internal sealed record FileLogOptions
{
    public static readonly FileLogOptions JsonFile = new() { MaxSize = 20_000_000, MaxFiles = 5 };

    public static readonly FileLogOptions Local = new() { MaxSize = 20 << 20, MaxFiles = 5, Compress = true };

    /// <summary>Bytes after which a file is set aside; -1 for never.</summary>
    public long MaxSize { get; init; } = -1;

    /// <summary>How many files there are, with the one being written.</summary>
    public int MaxFiles { get; init; } = 1;

    /// <summary>Whether files that were set aside are compressed.</summary>
    public bool Compress { get; init; }

    /// <summary>Reads json-file's <c>max-size</c>, <c>max-file</c> and <c>compress</c>.</summary>
    /// <exception cref="EngineException">Docker's sentence for what is wrong.</exception>
    public static FileLogOptions ParseJsonFile(IReadOnlyDictionary<string, string> options)
    {
        var result = Parse(JsonFile, options, "max-size", "max-file", "compress");

        // As docker: who bounds the size and says nothing of files wants one.
        result = options.ContainsKey("max-size") && !options.ContainsKey("max-file") ? result with { MaxFiles = 1 } : result;
        return result.Compress && (result.MaxFiles == 1 || result.MaxSize == -1)
            ? throw EngineException.InvalidParameter("compress cannot be true when max-file is less than 2 or max-size is not set")
            : result;
    }

    /// <summary>Reads the options of the driver local, or with a prefix those of the cache of drivers that cannot be read.</summary>
    public static FileLogOptions ParseLocal(IReadOnlyDictionary<string, string> options, string prefix = "")
    {
        var result = Parse(Local, options, prefix + "max-size", prefix + "max-file", prefix + "compress");
        return result with { Compress = result.Compress && result.MaxFiles > 1 };
    }

    private static FileLogOptions Parse(FileLogOptions defaults, IReadOnlyDictionary<string, string> options, string maxSize, string maxFile, string compress)
    {
        var result = defaults;
        if (options.TryGetValue(maxSize, out var size))
        {
            var bytes = size == "-1" ? -1 : Sizes.TryParse(size, out var parsed) ? parsed : 0;
            result = bytes != 0
                ? result with { MaxSize = bytes }
                : throw EngineException.InvalidParameter($"invalid value for {maxSize}: {size}: must be a positive number of bytes");
        }

        if (options.TryGetValue(maxFile, out var files))
        {
            result = int.TryParse(files, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count >= 1
                ? result with { MaxFiles = count }
                : throw EngineException.InvalidParameter($"{maxFile} cannot be less than 1");
        }

        return options.TryGetValue(compress, out var text) ? result with { Compress = LogOption.Bool(text) } : result;
    }
}
