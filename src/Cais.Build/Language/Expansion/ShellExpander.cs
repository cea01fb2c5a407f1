using System.Text;

namespace Cais.Build.Language.Expansion;

/// <summary>
/// Expands variables and takes quotes off, by the rules of the Dockerfile reference ("Environment replacement"), which are a shell's but for
/// command substitution, arithmetic, and positional parameters.
/// </summary>
public sealed class ShellExpander(char escape)
{
    /// <summary>The most characters that one expansion yields: values may double themselves with each ARG line.</summary>
    public const int LargestResult = 4 * 1024 * 1024;

    /// <summary>The deepest nesting of <c>${a:-${b:-…}}</c>.</summary>
    public const int DeepestNesting = 100;

    /// <summary>One word, whatever blanks the values have. <paramref name="unset"/> collects names that were asked for without default and are unset.</summary>
    public string Expand(string word, IVariables variables, ICollection<string>? unset = null) => new Walk(word, escape, variables, unset, keepQuotes: false).Whole();

    /// <summary>As <see cref="Expand"/>, but quotes are text: for the content of heredocs. Escapes are still taken off.</summary>
    public string ExpandKeepingQuotes(string text, IVariables variables, ICollection<string>? unset = null) =>
        new Walk(text, escape, variables, unset, keepQuotes: true).Whole();

    /// <summary>Several words: blanks outside of quotes separate, also those in values.</summary>
    public IReadOnlyList<string> ExpandToWords(string text, IVariables variables, ICollection<string>? unset = null) =>
        new Walk(text, escape, variables, unset, keepQuotes: false).Words();

    private sealed class Walk(string text, char escape, IVariables variables, ICollection<string>? unset, bool keepQuotes)
    {
        private readonly List<string> _words = [];
        private readonly StringBuilder _word = new();
        private bool _inWord;
        private bool _splits;
        private int _at;
        private int _depth;

        public string Whole()
        {
            var result = new StringBuilder();
            Run(result, stop: '\0', isPattern: false);
            return result.ToString();
        }

        public List<string> Words()
        {
            _splits = true;
            Run(_word, stop: '\0', isPattern: false);
            EndWord();
            return _words;
        }

        /// <summary>Up to <paramref name="stop"/>, which is left; in a pattern, escapes stay for the pattern to read.</summary>
        private void Run(StringBuilder to, char stop, bool isPattern)
        {
            if (++_depth > DeepestNesting)
            {
                throw new ExpansionException($"substitutions are nested more than {DeepestNesting} deep", _at);
            }

            while (_at < text.Length && (stop == '\0' || text[_at] != stop))
            {
                var c = text[_at];
                if (c == '\'' && !keepQuotes)
                {
                    Single(to);
                }
                else if (c == '"' && !keepQuotes)
                {
                    Double(to);
                }
                else if (c == '$')
                {
                    Dollar(to, isQuoted: false);
                }
                else if (c == escape || (isPattern && c == '\\'))
                {
                    Escaped(to, stop, isPattern);
                }
                else if (_splits && stop == '\0' && char.IsWhiteSpace(c))
                {
                    EndWord();
                    _at++;
                }
                else
                {
                    Add(to, c);
                    _at++;
                }
            }

            _depth--;
        }

        private void Escaped(StringBuilder to, char stop, bool isPattern)
        {
            if (_at + 1 == text.Length)
            {
                // Nothing to escape: the character is dropped.
                _at++;
                return;
            }

            var next = text[_at + 1];
            if (isPattern && next != stop)
            {
                Add(to, '\\');
            }

            Add(to, next);
            _at += 2;
        }

        private void Single(StringBuilder to)
        {
            var start = _at++;
            _inWord = true;
            var end = text.IndexOf('\'', _at);
            if (end < 0)
            {
                throw new ExpansionException("unexpected end of statement while looking for matching single-quote", start);
            }

            foreach (var c in text.AsSpan(_at, end - _at))
            {
                Add(to, c);
            }

            _at = end + 1;
        }

        private void Double(StringBuilder to)
        {
            var start = _at++;
            _inWord = true;
            while (true)
            {
                if (_at >= text.Length)
                {
                    throw new ExpansionException("unexpected end of statement while looking for matching double-quote", start);
                }

                var c = text[_at];
                if (c == '"')
                {
                    _at++;
                    return;
                }

                if (c == '$')
                {
                    Dollar(to, isQuoted: true);
                    continue;
                }

                if (c == escape && _at + 1 < text.Length && (text[_at + 1] is '"' or '$' || text[_at + 1] == escape))
                {
                    c = text[++_at];
                }

                Add(to, c);
                _at++;
            }
        }

        private void Dollar(StringBuilder to, bool isQuoted)
        {
            var start = _at++;
            if (_at < text.Length && text[_at] == '{')
            {
                _at++;
                AddValue(to, Braced(start), isQuoted);
                return;
            }

            var name = ReadName();
            if (name.Length == 0)
            {
                Add(to, '$');
                return;
            }

            AddValue(to, Get(name), isQuoted);
        }

        private string Braced(int start)
        {
            var name = ReadName();
            if (_at >= text.Length)
            {
                throw new ExpansionException("syntax error: missing '}'", start);
            }

            if (name.Length == 0)
            {
                throw new ExpansionException("syntax error: bad substitution, a variable's name was expected after ${", start);
            }

            var c = text[_at++];
            switch (c)
            {
                case '}':
                    return Get(name);
                case '+' or '-' or '?':
                    return Modified(name, c, start, emptyIsUnset: false);
                case ':':
                    var modifier = _at < text.Length ? text[_at++] : '\0';
                    return modifier is '+' or '-' or '?'
                        ? Modified(name, modifier, start, emptyIsUnset: true)
                        : throw new ExpansionException(
                            modifier == '\0' ? "syntax error: missing '}'" : $"unsupported modifier (:{modifier}) in substitution: expected :- :+ or :?", start);
                case '#' or '%':
                    return Trimmed(name, c, start);
                case '/':
                    return Replaced(name, start);
                default:
                    throw new ExpansionException($"unsupported modifier ({c}) in substitution: expected one of }} :- :+ :? - + ? # ## % %% / //", start);
            }
        }

        private string Modified(string name, char modifier, int start, bool emptyIsUnset)
        {
            var word = Argument('}', start, isPattern: false);
            var isSet = variables.TryGet(name, out var value) && (!emptyIsUnset || value.Length > 0);
            return modifier switch
            {
                '-' => isSet ? value! : word,
                '+' => isSet ? word : "",
                _ when isSet => value!,
                _ => throw new ExpansionException(
                    $"{name}: {(word.Length > 0 ? word : emptyIsUnset ? "not allowed to be unset or empty" : "not allowed to be unset")}", start),
            };
        }

        private string Trimmed(string name, char modifier, int start)
        {
            var longest = _at < text.Length && text[_at] == modifier;
            _at += longest ? 1 : 0;
            var pattern = new ShellPattern(Argument('}', start, isPattern: true));
            var value = Get(name);
            if (modifier == '#')
            {
                var length = pattern.MatchPrefix(value, longest);
                return length < 0 ? value : value[length..];
            }

            var from = pattern.MatchSuffix(value, longest);
            return from < 0 ? value : value[..from];
        }

        private string Replaced(string name, int start)
        {
            var all = _at < text.Length && text[_at] == '/';
            _at += all ? 1 : 0;
            var pattern = new ShellPattern(Argument('/', start, isPattern: true));
            var replacement = Argument('}', start, isPattern: false);
            return pattern.Replace(Get(name), replacement, all);
        }

        private string Argument(char stop, int start, bool isPattern)
        {
            var result = new StringBuilder();
            var splits = _splits;
            _splits = false;
            Run(result, stop, isPattern);
            _splits = splits;
            if (_at >= text.Length)
            {
                throw new ExpansionException($"syntax error: missing '{stop}' in substitution", start);
            }

            _at++;
            return result.ToString();
        }

        private string Get(string name)
        {
            if (variables.TryGet(name, out var value))
            {
                return value;
            }

            unset?.Add(name);
            return "";
        }

        /// <summary>A name, digits, or one of the shell's special parameters: those are always unset.</summary>
        private string ReadName()
        {
            if (_at >= text.Length)
            {
                return "";
            }

            var start = _at;
            if (char.IsAsciiDigit(text[_at]))
            {
                while (_at < text.Length && char.IsAsciiDigit(text[_at]))
                {
                    _at++;
                }
            }
            else if (text[_at] is '@' or '*' or '#' or '?' or '-' or '$' or '!')
            {
                _at++;
            }
            else
            {
                while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] == '_'))
                {
                    _at++;
                }
            }

            return text[start.._at];
        }

        private void Add(StringBuilder to, char c)
        {
            to.Append(c);
            _inWord = true;
        }

        private void AddValue(StringBuilder to, string value, bool isQuoted)
        {
            if (to.Length + value.Length > LargestResult)
            {
                throw new ExpansionException($"the expanded text is longer than {LargestResult} characters", _at);
            }

            if (!_splits || isQuoted)
            {
                to.Append(value);
                _inWord |= isQuoted || value.Length > 0;
                return;
            }

            foreach (var c in value)
            {
                if (char.IsWhiteSpace(c))
                {
                    EndWord();
                }
                else
                {
                    Add(to, c);
                }
            }
        }

        private void EndWord()
        {
            if (_inWord)
            {
                _words.Add(_word.ToString());
                _word.Clear();
                _inWord = false;
            }
        }
    }
}
