using System.Text;

namespace Cais.Build.Language.Expansion;

/// <summary>
/// A shell pattern as variable modifiers use it: <c>*</c> any text, <c>?</c> one character, <c>\</c> takes the meaning from the next. It is matched
/// in time linear in pattern times text, whatever the pattern: a Dockerfile must not be able to keep the builder busy for ever.
/// </summary>
internal sealed class ShellPattern
{
    private readonly List<(Kind Kind, Rune Rune)> _parts = [];

    public ShellPattern(string pattern)
    {
        var escaped = false;
        foreach (var rune in pattern.EnumerateRunes())
        {
            if (escaped)
            {
                _parts.Add((Kind.One, rune));
                escaped = false;
            }
            else
            {
                switch (rune.Value)
                {
                    case '\\':
                        escaped = true;
                        break;
                    case '*' when _parts.Count > 0 && _parts[^1].Kind == Kind.Any:
                        break;
                    case '*':
                        _parts.Add((Kind.Any, default));
                        break;
                    case '?':
                        _parts.Add((Kind.Single, default));
                        break;
                    default:
                        _parts.Add((Kind.One, rune));
                        break;
                }
            }
        }

        if (escaped)
        {
            _parts.Add((Kind.One, new Rune('\\')));
        }
    }

    private enum Kind
    {
        One,
        Single,
        Any,
    }

    /// <summary>The length of the shortest or longest prefix of <paramref name="text"/> that matches, or -1.</summary>
    public int MatchPrefix(ReadOnlySpan<char> text, bool longest)
    {
        // The set of pattern positions that the text so far can have reached, as a bit a position.
        var states = new bool[_parts.Count + 1];
        Reach(states, 0);
        var found = -1;
        var length = 0;
        while (true)
        {
            if (states[_parts.Count])
            {
                found = length;
                if (!longest)
                {
                    return found;
                }
            }

            if (length == text.Length)
            {
                return found;
            }

            Rune.DecodeFromUtf16(text[length..], out var rune, out var consumed);
            var next = new bool[_parts.Count + 1];
            var alive = false;
            for (var i = 0; i < _parts.Count; i++)
            {
                if (!states[i])
                {
                    continue;
                }

                if (_parts[i].Kind == Kind.Any)
                {
                    Reach(next, i);
                    alive = true;
                }
                else if (_parts[i].Kind == Kind.Single || _parts[i].Rune == rune)
                {
                    Reach(next, i + 1);
                    alive = true;
                }
            }

            if (!alive)
            {
                return found;
            }

            states = next;
            length += consumed;
        }
    }

    /// <summary>Where the shortest or longest suffix that matches begins, or -1.</summary>
    public int MatchSuffix(ReadOnlySpan<char> text, bool longest)
    {
        for (var i = 0; i <= text.Length; i++)
        {
            var start = longest ? i : text.Length - i;
            if ((start == 0 || start == text.Length || !char.IsLowSurrogate(text[start])) && MatchPrefix(text[start..], longest: true) == text.Length - start)
            {
                return start;
            }
        }

        return -1;
    }

    /// <summary>Replaces the first, or every, longest match.</summary>
    public string Replace(string text, string replacement, bool all)
    {
        var result = new StringBuilder();
        var at = 0;
        while (at < text.Length)
        {
            var length = MatchPrefix(text.AsSpan(at), longest: true);
            if (length > 0)
            {
                result.Append(replacement);
                at += length;
                if (!all)
                {
                    break;
                }
            }
            else
            {
                result.Append(text[at++]);
            }
        }

        return result.Append(text, at, text.Length - at).ToString();
    }

    private void Reach(bool[] states, int part)
    {
        states[part] = true;
        if (part < _parts.Count && _parts[part].Kind == Kind.Any)
        {
            states[part + 1] = true;
        }
    }
}
