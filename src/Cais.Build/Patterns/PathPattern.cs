using System.Text;

namespace Cais.Build.Patterns;

/// <summary>
/// A path pattern: <c>*</c> and <c>?</c> within one element, <c>[a-z]</c> and <c>[^a]</c>, <c>\</c> takes a meaning away, and <c>**</c> is any number
/// of directories, also none. Go's filepath.Match with Docker's addition. Matching takes time linear in pattern times path, whatever the pattern.
/// </summary>
public sealed class PathPattern
{
    private readonly List<Part> _parts = [];

    private PathPattern(string text, bool allowsDoubleStar)
    {
        Text = text;
        Compile(text, allowsDoubleStar);
    }

    private enum Kind
    {
        One,
        Single,
        Class,

        /// <summary>Any text without a slash.</summary>
        Star,

        /// <summary>Nothing, or any text that ends with a slash.</summary>
        Directories,

        /// <summary>Any text at all.</summary>
        Rest,
    }

    public string Text { get; }

    /// <summary>The text before the first wildcard.</summary>
    public string LiteralPrefix { get; private set; } = "";

    /// <summary>Whether the pattern is a plain path.</summary>
    public bool IsLiteral => _parts.TrueForAll(p => p.Kind == Kind.One);

    /// <summary>Reads a pattern. Throws <see cref="FormatException"/> ("syntax error in pattern …").</summary>
    public static PathPattern Parse(string text, bool allowsDoubleStar = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new PathPattern(text, allowsDoubleStar);
    }

    /// <summary>Whether a name has a character with a meaning in patterns.</summary>
    public static bool HasWildcards(string text) => text.AsSpan().IndexOfAny("*?[\\") >= 0;

    public bool IsMatch(ReadOnlySpan<char> path)
    {
        Span<bool> states = _parts.Count < 256 ? stackalloc bool[_parts.Count + 1] : new bool[_parts.Count + 1];
        Span<bool> next = _parts.Count < 256 ? stackalloc bool[_parts.Count + 1] : new bool[_parts.Count + 1];
        Reach(states, 0);
        while (!path.IsEmpty)
        {
            System.Text.Rune.DecodeFromUtf16(path, out var rune, out var consumed);
            next.Clear();
            var alive = false;
            for (var i = 0; i < _parts.Count; i++)
            {
                if (!states[i])
                {
                    continue;
                }

                var part = _parts[i];
                switch (part.Kind)
                {
                    case Kind.Star when rune.Value != '/':
                    case Kind.Rest:
                        Reach(next, i);
                        alive = true;
                        break;
                    case Kind.Directories:
                        // Within: stay; behind a slash: it may be over. Being here does not by itself mean to be past it, see Reach.
                        next[i] = alive = true;
                        if (rune.Value == '/')
                        {
                            Reach(next, i + 1);
                        }

                        break;
                    case Kind.One when part.Rune == rune:
                    case Kind.Single when rune.Value != '/':
                    case Kind.Class when rune.Value != '/' && part.Contains(rune):
                        Reach(next, i + 1);
                        alive = true;
                        break;
                }
            }

            if (!alive)
            {
                return false;
            }

            var swap = states;
            states = next;
            next = swap;
            path = path[consumed..];
        }

        return states[_parts.Count];
    }

    public override string ToString() => Text;

    private void Reach(Span<bool> states, int part)
    {
        while (true)
        {
            states[part] = true;
            if (part == _parts.Count || _parts[part].Kind is not (Kind.Star or Kind.Directories or Kind.Rest))
            {
                return;
            }

            part++;
        }
    }

    private void Compile(string text, bool allowsDoubleStar)
    {
        var literal = new StringBuilder();
        var isLiteral = true;
        var runes = text.EnumerateRunes().ToArray();
        for (var i = 0; i < runes.Length; i++)
        {
            switch (runes[i].Value)
            {
                case '*' when allowsDoubleStar && i + 1 < runes.Length && runes[i + 1].Value == '*':
                    isLiteral = false;
                    i++;
                    if (i + 1 < runes.Length && runes[i + 1].Value == '/')
                    {
                        i++;
                    }

                    _parts.Add(new Part(i + 1 == runes.Length ? Kind.Rest : Kind.Directories));
                    break;
                case '*':
                    isLiteral = false;
                    if (_parts.Count == 0 || _parts[^1].Kind != Kind.Star)
                    {
                        _parts.Add(new Part(Kind.Star));
                    }

                    break;
                case '?':
                    isLiteral = false;
                    _parts.Add(new Part(Kind.Single));
                    break;
                case '[':
                    isLiteral = false;
                    _parts.Add(ReadClass(runes, ref i));
                    break;
                default:
                    if (runes[i].Value == '\\')
                    {
                        i = i + 1 < runes.Length ? i + 1 : throw Error();
                    }

                    _parts.Add(new Part(Kind.One) { Rune = runes[i] });
                    if (isLiteral)
                    {
                        literal.Append(runes[i].ToString());
                    }

                    break;
            }
        }

        LiteralPrefix = literal.ToString();
    }

    private Part ReadClass(Rune[] runes, ref int i)
    {
        var part = new Part(Kind.Class);
        i++;
        if (i < runes.Length && runes[i].Value == '^')
        {
            part.IsNegated = true;
            i++;
        }

        for (var count = 0; ; count++)
        {
            if (i < runes.Length && runes[i].Value == ']' && count > 0)
            {
                return part;
            }

            var low = ReadClassRune(runes, ref i);
            var high = low;
            if (i < runes.Length && runes[i].Value == '-')
            {
                i++;
                high = ReadClassRune(runes, ref i);
            }

            part.Ranges.Add((low, high));
        }
    }

    private Rune ReadClassRune(Rune[] runes, ref int i)
    {
        if (i >= runes.Length || runes[i].Value is '-' or ']')
        {
            throw Error();
        }

        if (runes[i].Value == '\\')
        {
            i++;
        }

        var rune = i < runes.Length ? runes[i++] : throw Error();
        return i < runes.Length ? rune : throw Error();
    }

    private FormatException Error() => new($"syntax error in pattern \"{Text}\"");

    private sealed class Part(Kind kind)
    {
        public Kind Kind { get; } = kind;

        public Rune Rune { get; init; }

        public bool IsNegated { get; set; }

        public List<(Rune Low, Rune High)> Ranges { get; } = [];

        public bool Contains(Rune rune) => Ranges.Exists(r => r.Low <= rune && rune <= r.High) != IsNegated;
    }
}
