namespace Cais.RuntimeCli;

/// <summary>The command line was not understood.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>
/// Options and arguments, by hand: this program lives for a few milliseconds. Accepts what runc (Go's flags: <c>-bundle DIR</c>,
/// <c>--bundle=DIR</c>) and crun (GNU: options after arguments) accept.
/// </summary>
internal sealed class Arguments
{
    private readonly List<(string Name, string? Value)> _options = [];
    private readonly List<string> _rest = [];

    public IReadOnlyList<string> Rest => _rest;

    /// <param name="args">Without the command.</param>
    /// <param name="flags">Names of options without a value; a single letter is a short one; <c>detach|d</c> are two names of one.</param>
    /// <param name="values">Names of options with a value.</param>
    /// <param name="stopAtArgument">Everything from the first argument on is an argument.</param>
    public static Arguments Parse(ReadOnlySpan<string> args, string[] flags, string[] values, bool stopAtArgument = false)
    {
        var result = new Arguments();
        for (var i = 0; i < args.Length; i++)
        {
            var word = args[i];
            if (word == "--")
            {
                result._rest.AddRange(args[(i + 1)..]);
                break;
            }

            if (word.Length < 2 || word[0] != '-')
            {
                if (stopAtArgument)
                {
                    result._rest.AddRange(args[i..]);
                    break;
                }

                result._rest.Add(word);
                continue;
            }

            var name = word.StartsWith("--", StringComparison.Ordinal) ? word[2..] : word[1..];
            var equals = name.IndexOf('=', StringComparison.Ordinal);
            var value = equals < 0 ? null : name[(equals + 1)..];
            name = equals < 0 ? name : name[..equals];
            if (Canonical(flags, name) is { } flag)
            {
                result._options.Add((flag, value ?? "true"));
            }
            else if (Canonical(values, name) is { } option)
            {
                result._options.Add((option, value ?? (++i < args.Length ? args[i] : throw new UsageException($"flag needs an argument: -{name}"))));
            }
            else if (!word.StartsWith("--", StringComparison.Ordinal) && ShortCluster(result, word, flags, values, args, ref i))
            {
                // -de A=B and the like: taken apart.
            }
            else
            {
                throw new UsageException($"flag provided but not defined: -{name}");
            }
        }

        return result;
    }

    public bool AsksForHelp => Has("help") || Has("usage") || Has("?");

    public bool Has(string name) => Value(name) is { } value && value is not ("false" or "0");

    /// <summary>The last one given; null for none.</summary>
    public string? Value(string name)
    {
        for (var i = _options.Count - 1; i >= 0; i--)
        {
            if (_options[i].Name == name)
            {
                return _options[i].Value;
            }
        }

        return null;
    }

    public IReadOnlyList<string> Values(string name)
    {
        var values = new List<string>();
        foreach (var (option, value) in _options)
        {
            if (option == name && value is not null)
            {
                values.Add(value);
            }
        }

        return values;
    }

    public int Number(string name, int otherwise) =>
        Value(name) is not { } text ? otherwise
        : int.TryParse(text, out var number) && number >= 0 ? number : throw new UsageException($"invalid value \"{text}\" for flag -{name}");

    /// <summary>The one argument that most commands take.</summary>
    public string Id => _rest[0];

    private static bool ShortCluster(
        Arguments result, string word, string[] flags, string[] values, ReadOnlySpan<string> args, ref int index)
    {
        for (var i = 1; i < word.Length; i++)
        {
            var letter = word[i].ToString();
            if (Canonical(flags, letter) is { } flag)
            {
                result._options.Add((flag, "true"));
            }
            else if (Canonical(values, letter) is { } option)
            {
                var rest = word[(i + 1)..];
                result._options.Add((option, rest.Length > 0 ? rest : ++index < args.Length ? args[index]
                    : throw new UsageException($"flag needs an argument: -{letter}")));
                return true;
            }
            else
            {
                return false;
            }
        }

        return true;
    }

    private static string? Canonical(string[] names, string name)
    {
        foreach (var entry in names)
        {
            var bar = entry.IndexOf('|', StringComparison.Ordinal);
            if (bar < 0 ? entry == name : entry.AsSpan(0, bar).SequenceEqual(name) || entry.AsSpan(bar + 1).SequenceEqual(name))
            {
                return bar < 0 ? entry : entry[..bar];
            }
        }

        return null;
    }
}
