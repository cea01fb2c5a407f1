namespace Cais.Engine.Io;

/// <summary>Finds in a terminal's input the keys by which its user leaves without ending the process. Remembers a sequence's beginning between calls.</summary>
internal sealed class DetachKeys(IReadOnlyList<byte> keys)
{
    private int _matched;

    /// <summary>What to pass on of <paramref name="input"/>, and whether the sequence is complete.</summary>
    public (ReadOnlyMemory<byte> Bytes, bool Detached) Filter(ReadOnlyMemory<byte> input)
    {
        if (keys.Count == 0 || (_matched == 0 && !input.Span.Contains(keys[0])))
        {
            return (input, false);
        }

        var passed = new List<byte>(input.Length + _matched);
        foreach (var b in input.Span)
        {
            if (b == keys[_matched])
            {
                if (++_matched == keys.Count)
                {
                    return (passed.ToArray(), true);
                }

                continue;
            }

            // Not it after all: what was held back was meant for the process.
            for (var i = 0; i < _matched; i++)
            {
                passed.Add(keys[i]);
            }

            _matched = b == keys[0] ? 1 : 0;
            if (_matched == 0)
            {
                passed.Add(b);
            }
        }

        return (passed.ToArray(), false);
    }

    /// <summary>Reads <c>ctrl-p,ctrl-q</c>. Empty text takes that default. Throws docker's sentence for what it does not know.</summary>
    public static IReadOnlyList<byte> Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return [16, 17];
        }

        var keys = new List<byte>();
        foreach (var key in text.Split(','))
        {
            keys.Add(key switch
            {
                [>= (char)0 and < (char)128 and var single] => (byte)single,
                "ctrl-@" => 0,
                "ctrl-[" => 27,
                "ctrl-\\" => 28,
                "ctrl-]" => 29,
                "ctrl-^" => 30,
                "ctrl-_" => 31,
                ['c', 't', 'r', 'l', '-', >= 'a' and <= 'z' and var letter] => (byte)(letter - 'a' + 1),
                "DEL" => 127,
                _ => throw EngineException.InvalidParameter($"Invalid escape keys ({text}) provided"),
            });
        }

        return keys;
    }
}
