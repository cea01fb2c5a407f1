namespace Cais.Templates;

/// <summary>Takes a template apart into tokens: text outside of <c>{{ }}</c>, words inside.</summary>
internal sealed class Lexer(string source)
{
    private const string Left = "{{";
    private const string Right = "}}";

    private static readonly HashSet<string> Keywords = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

    private readonly List<Token> _tokens = [];
    private int _position;
    private int _depth;

    /// <summary>All tokens; the last is <see cref="TokenKind.End"/> or <see cref="TokenKind.Error"/>.</summary>
    public static IReadOnlyList<Token> Scan(string source)
    {
        var lexer = new Lexer(source);
        lexer.ScanText();
        return lexer._tokens;
    }

    private void ScanText()
    {
        while (true)
        {
            var open = source.IndexOf(Left, _position, StringComparison.Ordinal);
            if (open < 0)
            {
                AddText(_position, source.Length);
                _tokens.Add(new(TokenKind.End, source.Length, ""));
                return;
            }

            var trim = HasTrimMarker(open + 2);
            var end = open;
            if (trim)
            {
                while (end > _position && IsSpace(source[end - 1]))
                {
                    end--;
                }
            }

            AddText(_position, end);
            _position = open + 2 + (trim ? 2 : 0);
            if (source.AsSpan(_position).StartsWith("/*"))
            {
                if (!ScanComment())
                {
                    return;
                }

                continue;
            }

            _tokens.Add(new(TokenKind.LeftDelimiter, open, Left));
            _depth = 0;
            if (!ScanAction())
            {
                return;
            }
        }
    }

    private bool HasTrimMarker(int at) => at + 1 < source.Length && source[at] == '-' && IsSpace(source[at + 1]);

    private void AddText(int start, int end)
    {
        if (end > start)
        {
            _tokens.Add(new(TokenKind.Text, start, source[start..end]));
        }
    }

    private bool ScanComment()
    {
        var end = source.IndexOf("*/", _position, StringComparison.Ordinal);
        if (end < 0)
        {
            return Fail("unclosed comment");
        }

        _position = end + 2;
        if (source.AsSpan(_position).StartsWith(Right))
        {
            _position += 2;
            return true;
        }

        if (_position < source.Length && IsSpace(source[_position]) && source.AsSpan(_position + 1).StartsWith("-}}"))
        {
            _position += 4;
            SkipSpaces();
            return true;
        }

        return Fail("comment ends before closing delimiter");
    }

    /// <returns>False when an error ends scanning.</returns>
    private bool ScanAction()
    {
        while (true)
        {
            var rest = source.AsSpan(_position);
            var trim = rest.Length > 3 && IsSpace(rest[0]) && rest[1..].StartsWith("-}}");
            if (trim || rest.StartsWith(Right))
            {
                if (_depth > 0)
                {
                    return Fail("unclosed left paren");
                }

                _tokens.Add(new(TokenKind.RightDelimiter, _position + (trim ? 2 : 0), Right));
                _position += trim ? 4 : 2;
                if (trim)
                {
                    SkipSpaces();
                }

                return true;
            }

            if (rest.IsEmpty)
            {
                return Fail("unclosed action");
            }

            if (!ScanWord(rest[0]))
            {
                return false;
            }
        }
    }

    private bool ScanWord(char c)
    {
        var start = _position;
        switch (c)
        {
            case var _ when IsSpace(c):
                while (_position < source.Length && IsSpace(source[_position])
                    && !(source.AsSpan(_position + 1).StartsWith("-}}") && _position > start))
                {
                    _position++;
                    if (source.AsSpan(_position).StartsWith("-}}"))
                    {
                        // The blank belongs to the trim marker.
                        _position--;
                        break;
                    }
                }

                if (_position == start)
                {
                    _position++;
                }

                return Add(TokenKind.Space, start);
            case '=':
                _position++;
                return Add(TokenKind.Assign, start);
            case ':':
                _position += 2;
                return _position <= source.Length && source[_position - 1] == '=' ? Add(TokenKind.Declare, start) : Fail("expected :=");
            case '|':
                _position++;
                return Add(TokenKind.Pipe, start);
            case ',':
                _position++;
                return Add(TokenKind.Comma, start);
            case '(':
                _depth++;
                _position++;
                return Add(TokenKind.LeftParenthesis, start);
            case ')':
                _position++;
                return --_depth >= 0 ? Add(TokenKind.RightParenthesis, start) : Fail("unexpected right paren");
            case '"':
                return ScanQuoted('"', TokenKind.String, "unterminated quoted string");
            case '\'':
                return ScanQuoted('\'', TokenKind.Character, "unterminated character constant");
            case '`':
                return ScanRaw();
            case '$':
                _position++;
                SkipAlphanumeric();
                return AtTerminator() ? Add(TokenKind.Variable, start) : BadCharacter();
            case '.' when _position + 1 >= source.Length || !char.IsAsciiDigit(source[_position + 1]):
                _position++;
                if (AtTerminator())
                {
                    return Add(TokenKind.Dot, start);
                }

                SkipAlphanumeric();
                return AtTerminator() ? Add(TokenKind.Field, start) : BadCharacter();
            case '+' or '-' or '.' or (>= '0' and <= '9'):
                return ScanNumber();
            case var _ when IsAlphanumeric(c):
                SkipAlphanumeric();
                return AtTerminator() ? AddWord(start) : BadCharacter();
            case > ' ' and <= '~':
                _position++;
                return Add(TokenKind.Other, start);
            default:
                return Fail($"unrecognized character in action: {Describe(c)}");
        }
    }

    private bool AddWord(int start)
    {
        var word = source[start.._position];
        _tokens.Add(new(
            word switch
            {
                "true" or "false" => TokenKind.Bool,
                "nil" => TokenKind.Nil,
                _ when Keywords.Contains(word) => TokenKind.Keyword,
                _ => TokenKind.Identifier,
            },
            start,
            word));
        return true;
    }

    private bool ScanQuoted(char quote, TokenKind kind, string unterminated)
    {
        var start = _position++;
        while (_position < source.Length && source[_position] != '\n')
        {
            var c = source[_position++];
            if (c == quote)
            {
                return Add(kind, start);
            }

            if (c == '\\')
            {
                _position++;
            }
        }

        return Fail(unterminated);
    }

    private bool ScanRaw()
    {
        var start = _position;
        var end = source.IndexOf('`', start + 1);
        if (end < 0)
        {
            return Fail("unterminated raw quoted string");
        }

        _position = end + 1;
        return Add(TokenKind.RawString, start);
    }

    private bool ScanNumber()
    {
        var start = _position++;
        while (_position < source.Length
            && (IsAlphanumeric(source[_position]) || source[_position] == '.' || (source[_position] is '+' or '-' && source[_position - 1] is 'e' or 'E' or 'p' or 'P')))
        {
            _position++;
        }

        var text = source[start.._position];
        if (NumberText.TryParse(text, out _))
        {
            return Add(TokenKind.Number, start);
        }

        // Up to and with the first character that makes it none.
        var valid = text.AsSpan().IndexOfAnyExcept("+-.0123456789_");
        return Fail($"bad number syntax: {GoQuote.Quote(valid < 0 ? text : text[..(valid + 1)])}");
    }

    private void SkipAlphanumeric()
    {
        while (_position < source.Length && IsAlphanumeric(source[_position]))
        {
            _position++;
        }
    }

    private void SkipSpaces()
    {
        while (_position < source.Length && IsSpace(source[_position]))
        {
            _position++;
        }
    }

    private bool AtTerminator() =>
        _position >= source.Length || IsSpace(source[_position]) || source[_position] is '.' or ',' or '|' or ':' or ')' or '('
        || source.AsSpan(_position).StartsWith(Right);

    private bool Add(TokenKind kind, int start)
    {
        _tokens.Add(new(kind, start, source[start.._position]));
        return true;
    }

    private bool BadCharacter() => Fail($"bad character {Describe(source[_position])}");

    private bool Fail(string message)
    {
        _tokens.Add(new(TokenKind.Error, _position, message));
        return false;
    }

    private static string Describe(char c) => $"U+{(int)c:X4} '{c}'";

    private static bool IsSpace(char c) => c is ' ' or '\t' or '\r' or '\n';

    private static bool IsAlphanumeric(char c) => c == '_' || char.IsLetterOrDigit(c);
}
