using System.Text;

namespace Cais.Build.Patterns;

/// <summary>
/// What of a build context the build must not see: the patterns of <c>.dockerignore</c>. The last pattern that matches a path or a directory above it
/// decides; a leading <c>!</c> takes paths back in.
/// </summary>
public sealed class IgnoreFile
{
    private readonly List<(PathPattern Pattern, bool Includes)> _patterns = [];

    public static readonly IgnoreFile Empty = new();

    private IgnoreFile()
    {
    }

    /// <summary>Whether there is nothing to ignore.</summary>
    public bool IsEmpty => _patterns.Count == 0;

    /// <summary>Whether some patterns take paths back in.</summary>
    public bool HasExceptions => _patterns.Exists(p => p.Includes);

    /// <summary>The patterns as they are applied.</summary>
    public IEnumerable<string> Patterns => _patterns.Select(p => (p.Includes ? "!" : "") + p.Pattern.Text);

    /// <summary>
    /// The names by which a Dockerfile's ignore file is looked for, in this order: beside the Dockerfile with its name in front, then the context's own.
    /// </summary>
    public static IReadOnlyList<string> CandidateNames(string dockerfile) => [dockerfile + ".dockerignore", ".dockerignore"];

    /// <summary>Reads a file. Throws <see cref="FormatException"/> with the line.</summary>
    public static IgnoreFile Parse(string content)
    {
        ArgumentNullException.ThrowIfNull(content);
        var file = new IgnoreFile();
        var number = 0;
        foreach (var read in content.TrimStart('\uFEFF').Split('\n'))
        {
            number++;
            var line = read.Trim();
            if (read.StartsWith('#') || line.Length == 0)
            {
                continue;
            }

            try
            {
                file.Add(line);
            }
            catch (FormatException e)
            {
                throw new FormatException($".dockerignore line {number}: {e.Message}", e);
            }
        }

        return file;
    }

    public static IgnoreFile Parse(ReadOnlySpan<byte> utf8) => Parse(Encoding.UTF8.GetString(utf8));

    /// <summary>The same, but for files that are taken whatever the patterns say: the Dockerfile itself.</summary>
    public IgnoreFile Keeping(params IEnumerable<string> paths) => FromPatterns([.. Patterns, .. paths.Select(p => "!" + p)]);

    /// <summary>From patterns, one each.</summary>
    public static IgnoreFile FromPatterns(IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        var file = new IgnoreFile();
        foreach (var pattern in patterns.Select(p => p.Trim()).Where(p => p.Length > 0))
        {
            file.Add(pattern);
        }

        return file;
    }

    /// <summary>Whether a path, relative to the context's root and without slash in front, is ignored.</summary>
    public bool IsIgnored(ReadOnlySpan<char> path)
    {
        var ignored = false;
        foreach (var (pattern, includes) in _patterns)
        {
            // A pattern that could only say what is so already need not be asked.
            if (includes == ignored && MatchesPathOrParent(pattern, path))
            {
                ignored = !includes;
            }
        }

        return ignored;
    }

    /// <summary>Whether an ignored directory may have something in it that an exception takes back.</summary>
    public bool MayHaveExceptionsBelow(string directory)
    {
        var below = directory + "/";
        return _patterns.Exists(p => p.Includes
            && (p.Pattern.LiteralPrefix.StartsWith(below, StringComparison.Ordinal)
                || (!p.Pattern.IsLiteral && below.StartsWith(p.Pattern.LiteralPrefix, StringComparison.Ordinal))));
    }

    private static bool MatchesPathOrParent(PathPattern pattern, ReadOnlySpan<char> path)
    {
        if (pattern.IsMatch(path))
        {
            return true;
        }

        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] == '/' && pattern.IsMatch(path[..i]))
            {
                return true;
            }
        }

        return false;
    }

    private void Add(string line)
    {
        var includes = line.StartsWith('!');
        var pattern = includes ? line[1..].Trim() : line;
        if (pattern.Length == 0)
        {
            throw new FormatException($"illegal exclusion pattern: \"{line}\"");
        }

        pattern = GoPath.Clean(pattern);
        if (pattern.Length > 1 && pattern[0] == '/')
        {
            pattern = pattern[1..];
        }

        _patterns.Add((PathPattern.Parse(pattern), includes));
    }
}
