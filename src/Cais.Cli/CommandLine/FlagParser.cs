namespace Cais.Cli.CommandLine;

/// <summary>
/// The grammar of docker's command line (that of the pflag library): <c>--name=value</c>, <c>--name value</c>, <c>-n value</c>,
/// <c>-nvalue</c>, <c>-n=value</c>, switches in one word (<c>-it</c>), <c>--</c> ends the flags. Error sentences are pflag's, because
/// scripts read them.
/// </summary>
internal sealed class FlagParser(IReadOnlyList<Flag> flags, bool interspersed, TextWriter warnings)
{
    private readonly ParsedFlags _parsed = new();
    private readonly List<string> _arguments = [];
    private string[] _words = [];
    private int _next;

    /// <summary>Set when the user asked for help, which ends parsing.</summary>
    public bool HelpRequested { get; private set; }

    public ParsedFlags Parsed => _parsed;

    /// <summary>What is left when the flags are taken out; flags that follow the first argument stay in it unless interspersed.</summary>
    public IReadOnlyList<string> Arguments => _arguments;

    /// <exception cref="CommandLineException">A word that is no flag of this command, or a value that does not fit.</exception>
    public void Parse(IEnumerable<string> words)
    {
        _words = [.. words];
        for (_next = 0; _next < _words.Length && !HelpRequested;)
        {
            var word = _words[_next++];
            if (word.Length < 2 || word[0] != '-')
            {
                _arguments.Add(word);
                if (!interspersed)
                {
                    _arguments.AddRange(_words[_next..]);
                    return;
                }
            }
            else if (word == "--")
            {
                _arguments.AddRange(_words[_next..]);
                return;
            }
            else if (word[1] == '-')
            {
                ParseLong(word);
            }
            else
            {
                ParseShorts(word);
            }
        }
    }

    private void ParseLong(string word)
    {
        var body = word[2..];
        if (body[0] is '-' or '=')
        {
            throw new CommandLineException($"bad flag syntax: {word}");
        }

        var equals = body.IndexOf('=');
        var name = equals < 0 ? body : body[..equals];
        if (Find(f => f.Name == name) is not { } flag)
        {
            if (name == "help")
            {
                HelpRequested = true;
                return;
            }

            throw new CommandLineException($"unknown flag: --{name}");
        }

        if (equals >= 0)
        {
            Set(flag, body[(equals + 1)..]);
        }
        else if (flag.IsSwitch)
        {
            Set(flag, "true");
        }
        else if (_next < _words.Length)
        {
            Set(flag, _words[_next++]);
        }
        else
        {
            throw new CommandLineException($"flag needs an argument: {word}");
        }
    }

    private void ParseShorts(string word)
    {
        var letters = word[1..];
        while (letters.Length > 0 && !HelpRequested)
        {
            var letter = letters[0];
            if (Find(f => f.Shorthand == letter) is not { } flag)
            {
                if (letter == 'h')
                {
                    warnings.Write("Flag shorthand -h has been deprecated, use --help\n");
                    HelpRequested = true;
                    return;
                }

                throw new CommandLineException($"unknown shorthand flag: '{letter}' in -{letters}");
            }

            if (letters.Length > 2 && letters[1] == '=')
            {
                Set(flag, letters[2..]);
                return;
            }

            if (flag.IsSwitch)
            {
                Set(flag, "true");
                letters = letters[1..];
            }
            else if (letters.Length > 1)
            {
                Set(flag, letters[1..]);
                return;
            }
            else if (_next < _words.Length)
            {
                Set(flag, _words[_next++]);
                return;
            }
            else
            {
                throw new CommandLineException($"flag needs an argument: '{letter}' in -{letters}");
            }
        }
    }

    private void Set(Flag flag, string text)
    {
        try
        {
            _parsed.Set(flag, text);
        }
        catch (FormatException e)
        {
            var name = flag.Shorthand is { } letter ? $"-{letter}, --{flag.Name}" : $"--{flag.Name}";
            throw new CommandLineException($"invalid argument {GoQuote.Quote(text)} for \"{name}\" flag: {e.Message}");
        }

        if (flag.Name == "help" && flag.IsSwitch)
        {
            HelpRequested = true;
        }

        if (flag.Deprecated is { } advice)
        {
            warnings.Write($"Flag --{flag.Name} has been deprecated, {advice}\n");
        }
    }

    private Flag? Find(Predicate<Flag> matches)
    {
        foreach (var flag in flags)
        {
            if (matches(flag))
            {
                return flag;
            }
        }

        return null;
    }
}
