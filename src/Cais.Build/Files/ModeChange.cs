using Cais.Build.Language;

namespace Cais.Build.Files;

/// <summary>COPY --chmod: an octal mode, or clauses like <c>u=rwX,go-w</c> as chmod(1) has them.</summary>
internal sealed class ModeChange
{
    private const uint AllBits = 0xFFF;
    private readonly uint? _octal;
    private readonly List<(uint Who, char Operation, string Permissions)> _clauses = [];

    private ModeChange(uint octal) => _octal = octal;

    private ModeChange()
    {
    }

    /// <summary>Reads a mode. Throws <see cref="DockerfileException"/> at <paramref name="written"/>.</summary>
    public static ModeChange Parse(string text, Text written = default)
    {
        DockerfileException Error(string why) => new($"invalid chmod parameter: '{text}'. {why}", written.Range);
        if (text.Length > 0 && text.All(char.IsAsciiDigit))
        {
            return text.Length <= 10 && text.All(c => c < '8') && Convert.ToUInt64(text, 8) <= AllBits
                ? new ModeChange((uint)Convert.ToUInt64(text, 8))
                : throw Error("it should be an octal number between 0 and 07777");
        }

        var change = new ModeChange();
        foreach (var clause in text.Split(','))
        {
            var operation = clause.AsSpan().IndexOfAny("+-=");
            if (operation < 0 || clause.AsSpan(0, operation).IndexOfAnyExcept("ugoa") >= 0)
            {
                throw Error("it should be octal, or clauses such as u=rwX,go=rX");
            }

            uint who = 0;
            foreach (var c in clause.AsSpan(0, operation))
            {
                who |= c switch { 'u' => 0x9C0u, 'g' => 0x438u, 'o' => 0x207u, _ => AllBits };
            }

            for (var at = operation; at < clause.Length;)
            {
                var end = at + 1;
                while (end < clause.Length && clause[end] is not ('+' or '-' or '='))
                {
                    end++;
                }

                var permissions = clause[(at + 1)..end];
                if (permissions.AsSpan().IndexOfAnyExcept("rwxXst") >= 0 && permissions is not ("u" or "g" or "o"))
                {
                    throw Error("permissions are letters of rwxXst, or one of u, g, o");
                }

                change._clauses.Add((who == 0 ? AllBits : who, clause[at], permissions));
                at = end;
            }
        }

        return change;
    }

    /// <summary>The new permission bits of a file that has <paramref name="mode"/>.</summary>
    public uint Apply(uint mode, bool isDirectory)
    {
        if (_octal is { } octal)
        {
            return octal;
        }

        foreach (var (who, operation, permissions) in _clauses)
        {
            var bits = Bits(permissions, mode, isDirectory) & who;
            mode = operation switch
            {
                '+' => mode | bits,
                '-' => mode & ~bits,

                // Set-id bits of a directory stay unless they are named, as chmod does.
                _ => (mode & ~(who & (isDirectory ? 0x1FFu : AllBits))) | bits,
            };
        }

        return mode & AllBits;
    }

    private static uint Bits(string permissions, uint mode, bool isDirectory)
    {
        uint bits = 0;
        foreach (var c in permissions)
        {
            bits |= c switch
            {
                'r' => 0x124u,
                'w' => 0x92u,
                'x' => 0x49u,
                'X' => isDirectory || (mode & 0x49) != 0 ? 0x49u : 0,
                's' => 0xC00u,
                't' => 0x200u,
                'u' => Spread((mode >> 6) & 7),
                'g' => Spread((mode >> 3) & 7),
                _ => Spread(mode & 7),
            };
        }

        return bits;
    }

    private static uint Spread(uint three) => (three << 6) | (three << 3) | three;
}
