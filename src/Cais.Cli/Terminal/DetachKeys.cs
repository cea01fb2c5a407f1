namespace Cais.Cli.Terminal;

/// <summary>The key sequence that leaves a container running and its terminal (<c>ctrl-p,ctrl-q</c>).</summary>
internal static class DetachKeys
{
    public static readonly byte[] Default = [16, 17];

    /// <summary>Reads <c>ctrl-x</c> and single characters, with commas between.</summary>
    /// <returns>Null when the text names no keys.</returns>
    public static byte[]? Parse(string text)
    {
        var keys = new List<byte>();
        foreach (var key in text.Split(','))
        {
            if (key.Length == 1 && key[0] < 128)
            {
                keys.Add((byte)key[0]);
            }
            else if (key.StartsWith("ctrl-", StringComparison.Ordinal) && key.Length == 6 && Control(key[5]) is { } control)
            {
                keys.Add(control);
            }
            else
            {
                return null;
            }
        }

        return [.. keys];
    }

    private static byte? Control(char c) => c switch
    {
        >= 'a' and <= 'z' => (byte)(c - 'a' + 1),
        '@' => 0,
        '[' => 27,
        '\\' => 28,
        ']' => 29,
        '^' => 30,
        '_' => 31,
        _ => null,
    };
}

/// <summary>
/// Watches typed bytes for the detach sequence. Bytes that may be its beginning are held back until the next key decides.
/// </summary>
internal sealed class DetachFilter(byte[] keys)
{
    private int _matched;

    /// <summary>True once the whole sequence was typed.</summary>
    public bool Detached { get; private set; }

    /// <summary>What of <paramref name="typed"/> goes on to the container.</summary>
    public byte[] Filter(ReadOnlySpan<byte> typed)
    {
        var passed = new List<byte>(typed.Length + keys.Length);
        foreach (var b in typed)
        {
            if (b == keys[_matched])
            {
                if (++_matched == keys.Length)
                {
                    Detached = true;
                    return [.. passed];
                }

                continue;
            }

            passed.AddRange(keys.AsSpan(0, _matched));
            _matched = b == keys[0] ? 1 : 0;
            if (_matched == 0)
            {
                passed.Add(b);
            }
            else if (keys.Length == 1)
            {
                Detached = true;
                return [.. passed];
            }
        }

        return [.. passed];
    }
}
