using System.Text;

namespace Cais.Images.Registry;

/// <summary>
/// As much of TOML (toml.io, 1.0) as hosts.toml files use: tables, strings, truth values, and arrays of strings or of arrays of strings. Numbers and dates are
/// read over; what is no TOML is a <see cref="FormatException"/> that names the line.
/// </summary>
internal sealed class TomlTable
{
    private readonly List<(string Key, object Value)> _values = [];

    public IEnumerable<string> Keys => _values.Select(v => v.Key);

    /// <summary>The tables in this one, in the file's order.</summary>
    public IReadOnlyList<(string Key, TomlTable Table)> Tables => [.. _values.Where(v => v.Value is TomlTable).Select(v => (v.Key, (TomlTable)v.Value))];

    public static TomlTable Parse(string text) => new Reader(text).Read();

    public TomlTable? Table(string key) => Find(key) as TomlTable;

    public string? String(string key) => Find(key) switch
    {
        null => null,
        string text => text,
        _ => throw new FormatException($"{key}: a string was expected"),
    };

    public bool Bool(string key) => Find(key) switch
    {
        null => false,
        bool truth => truth,
        _ => throw new FormatException($"{key}: true or false was expected"),
    };

    /// <summary>A string or an array of strings; null if the key is not there.</summary>
    public IReadOnlyList<string>? Strings(string key) => Find(key) switch
    {
        null => null,
        string one => [one],
        List<object> many when many.All(m => m is string) => [.. many.Cast<string>()],
        _ => throw new FormatException($"{key}: a string or a list of strings was expected"),
    };

    /// <summary>One string (for both), a list of such, or a list of pairs: how client certificates and their keys are written.</summary>
    public IReadOnlyList<(string First, string Second)> Pairs(string key) => Find(key) switch
    {
        null => [],
        string one => [(one, one)],
        List<object> many => [.. many.Select(m => m switch
        {
            string both => (both, both),
            List<object> and [string first] => (first, first),
            List<object> and [string first, string second] => (first, second.Length > 0 ? second : first),
            _ => throw new FormatException($"{key}: pairs of a certificate and its key were expected"),
        })],
        _ => throw new FormatException($"{key}: pairs of a certificate and its key were expected"),
    };

    private object? Find(string key) => _values.FirstOrDefault(v => v.Key == key).Value;

    private TomlTable Below(string key)
    {
        if (Find(key) is { } found)
        {
            return found as TomlTable ?? throw new FormatException($"{key} is a value already");
        }

        var table = new TomlTable();
        _values.Add((key, table));
        return table;
    }

    private sealed class Reader(string text)
    {
        private int _at;

        public TomlTable Read()
        {
            var root = new TomlTable();
            var current = root;
            while (SkipToNext())
            {
                if (text[_at] == '[')
                {
                    _at++;
                    var path = ReadPath(']');
                    current = path.Aggregate(root, (t, k) => t.Below(k));
                }
                else
                {
                    var path = ReadPath('=');
                    var table = path.SkipLast(1).Aggregate(current, (t, k) => t.Below(k));
                    if (table.Find(path[^1]) is not null)
                    {
                        throw Bad($"{path[^1]} is given twice");
                    }

                    table._values.Add((path[^1], ReadValue(0)));
                }

                EndOfLine();
            }

            return root;
        }

        private List<string> ReadPath(char end)
        {
            var path = new List<string>();
            while (true)
            {
                SkipBlanks();
                path.Add(Peek() is '"' or '\'' ? ReadString() : ReadBareKey());
                SkipBlanks();
                var c = Peek();
                _at++;
                if (c == end)
                {
                    return path;
                }

                if (c != '.')
                {
                    throw Bad($"'{end}' was expected");
                }
            }
        }

        private string ReadBareKey()
        {
            var start = _at;
            while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '_' or '-'))
            {
                _at++;
            }

            return _at > start ? text[start.._at] : throw Bad("a key was expected");
        }

        private object ReadValue(int depth)
        {
            SkipBlanks();
            switch (Peek())
            {
                case '"' or '\'':
                    return ReadString();
                case '[' when depth < 4:
                    return ReadArray(depth);
            }

            var start = _at;
            while (_at < text.Length && text[_at] is not (',' or ']' or '#' or '\n' or '\r' or ' ' or '\t'))
            {
                _at++;
            }

            return text[start.._at] switch
            {
                "true" => true,
                "false" => false,
                { Length: > 0 } word when char.IsAsciiDigit(word[0]) || word[0] is '+' or '-' => new object(),
                _ => throw Bad("a value was expected"),
            };
        }

        private List<object> ReadArray(int depth)
        {
            _at++;
            var items = new List<object>();
            while (true)
            {
                if (!SkipToNext())
                {
                    throw Bad("the list has no end");
                }

                if (text[_at] == ']')
                {
                    _at++;
                    return items;
                }

                items.Add(ReadValue(depth + 1));
                if (!SkipToNext() || text[_at] is not (',' or ']'))
                {
                    throw Bad("',' or ']' was expected");
                }

                if (text[_at] == ',')
                {
                    _at++;
                }
            }
        }

        private string ReadString()
        {
            var quote = text[_at++];
            var value = new StringBuilder();
            while (_at < text.Length && text[_at] is not ('\n' or '\r'))
            {
                var c = text[_at++];
                if (c == quote)
                {
                    return value.ToString();
                }

                value.Append(c == '\\' && quote == '"' ? ReadEscape() : c.ToString());
            }

            throw Bad("a string has no end");
        }

        private string ReadEscape()
        {
            var c = Peek();
            _at++;
            switch (c)
            {
                case 'b':
                    return "\b";
                case 't':
                    return "\t";
                case 'n':
                    return "\n";
                case 'f':
                    return "\f";
                case 'r':
                    return "\r";
                case '"' or '\\':
                    return c.ToString();
                case 'u' or 'U':
                    var length = c == 'u' ? 4 : 8;
                    if (_at + length <= text.Length && int.TryParse(text.AsSpan(_at, length), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code)
                        && Rune.IsValid(code))
                    {
                        _at += length;
                        return new Rune(code).ToString();
                    }

                    break;
            }

            throw Bad("a string has an escape that does not exist");
        }

        /// <summary>Over blanks, line ends and comments; false at the end of the text.</summary>
        private bool SkipToNext()
        {
            while (_at < text.Length)
            {
                if (text[_at] == '#')
                {
                    while (_at < text.Length && text[_at] != '\n')
                    {
                        _at++;
                    }
                }
                else if (text[_at] is ' ' or '\t' or '\r' or '\n')
                {
                    _at++;
                }
                else
                {
                    return true;
                }
            }

            return false;
        }

        private void EndOfLine()
        {
            SkipBlanks();
            if (_at < text.Length && text[_at] is not ('\n' or '\r' or '#'))
            {
                throw Bad("the line should end here");
            }
        }

        private void SkipBlanks()
        {
            while (_at < text.Length && text[_at] is (' ' or '\t'))
            {
                _at++;
            }
        }

        private char Peek() => _at < text.Length ? text[_at] : '\0';

        private FormatException Bad(string what) => new($"line {text.AsSpan(0, Math.Min(_at, text.Length)).Count('\n') + 1}: {what}");
    }
}
