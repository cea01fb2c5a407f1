using System.Text;

namespace Cais.Cli.Values;

/// <summary>Environment variables and labels of <c>-e</c>, <c>--env-file</c>, <c>-l</c> and <c>--label-file</c>.</summary>
internal static class EnvironmentOption
{
    /// <summary>Checks one <c>-e</c>: a name without a value takes it from this process's environment; unset, the bare name tells the daemon to remove it.</summary>
    public static string Check(string text, Func<string, string?> environment)
    {
        var equals = text.IndexOf('=');
        var name = equals < 0 ? text : text[..equals];
        if (name.Length == 0)
        {
            throw new FormatException($"invalid environment variable: {text}");
        }

        return equals >= 0 || environment(name) is not { } value ? text : $"{name}={value}";
    }

    public static string CheckLabel(string text) => text.Length > 0 && text[0] != '='
        ? text
        : throw new FormatException($"invalid label '{text}': empty name");

    /// <summary>Files first, then what the command line gives, which thereby wins.</summary>
    /// <exception cref="FormatException">A file cannot be read or has a malformed line.</exception>
    public static IReadOnlyList<string> Collect(IEnumerable<string> files, IEnumerable<string> given, Func<string, string?>? environment)
    {
        var pairs = new List<string>();
        foreach (var file in files)
        {
            pairs.AddRange(ReadFile(file, environment));
        }

        pairs.AddRange(given);
        return pairs;
    }

    /// <param name="path">The file.</param>
    /// <param name="environment">Where a bare name finds its value; null (labels) keeps the bare name.</param>
    private static IEnumerable<string> ReadFile(string path, Func<string, string?>? environment)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FormatException($"open {path}: no such file or directory");
        }
        catch (UnauthorizedAccessException) when (Directory.Exists(path))
        {
            throw new FormatException($"read {path}: is a directory");
        }
        catch (UnauthorizedAccessException)
        {
            throw new FormatException($"open {path}: permission denied");
        }

        return ParseFile(path, bytes, environment);
    }

    /// <summary>
    /// The lines of such a file: <c>NAME=value</c>, <c>NAME</c>, <c># comment</c>, empty. A value in quotes that close at a line's end
    /// after spanning several lines is one value with line ends in it.
    /// </summary>
    /// <remarks>
    /// docker takes a quoted value as it is, quotes included, and so do we when it stands on one line: changing that would change
    /// containers. A quoted value over several lines is an error there, so giving it a meaning takes nothing away.
    /// </remarks>
    internal static IReadOnlyList<string> ParseFile(string path, byte[] bytes, Func<string, string?>? environment)
    {
        var pairs = new List<string>();
        var lines = Decode(path, bytes).Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i].TrimEnd('\r').TrimStart();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var equals = line.IndexOf('=');
            var name = equals < 0 ? line : line[..equals];
            if (name.Length == 0)
            {
                throw new FormatException($"invalid env file ({path}): no variable name on line '{line}'");
            }

            if (name.Any(char.IsWhiteSpace))
            {
                throw new FormatException($"invalid env file ({path}): variable '{name}' contains whitespaces");
            }

            if (equals >= 0)
            {
                pairs.Add(MultilineValue(lines, ref i, name, line[(equals + 1)..]));
            }
            else if (environment is null)
            {
                pairs.Add(name);
            }
            else if (environment(name) is { } value)
            {
                pairs.Add($"{name}={value}");
            }
        }

        return pairs;
    }

    private static string MultilineValue(string[] lines, ref int i, string name, string value)
    {
        if (value.Length > 0 && value[0] is '"' or '\'' && !value[1..].Contains(value[0]))
        {
            for (var last = i + 1; last < lines.Length; last++)
            {
                var line = lines[last].TrimEnd('\r');
                if (line.Contains(value[0]))
                {
                    if (!line.EndsWith(value[0]) || line.IndexOf(value[0]) != line.Length - 1)
                    {
                        break;
                    }

                    var body = string.Join('\n', lines[(i + 1)..last].Select(static l => l.TrimEnd('\r')).Prepend(value[1..]).Append(line[..^1]));
                    i = last;
                    return $"{name}={body}";
                }
            }
        }

        return $"{name}={value}";
    }

    private static string Decode(string path, byte[] bytes)
    {
        var text = bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? bytes.AsSpan(3) : bytes;
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(text);
        }
        catch (DecoderFallbackException)
        {
            throw new FormatException($"invalid env file ({path}): invalid utf8 bytes");
        }
    }
}
