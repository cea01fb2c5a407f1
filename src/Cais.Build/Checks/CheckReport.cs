using Cais.Build.Language;

namespace Cais.Build.Checks;

/// <summary>Collects findings, minus those that the file or the user switched off.</summary>
public sealed class CheckReport
{
    private readonly Dockerfile _file;
    private readonly CheckSettings _settings;
    private readonly List<Finding> _findings = [];

    /// <param name="file">The Dockerfile that is checked.</param>
    /// <param name="settings">Replaces the file's <c># check=</c> directive if not null.</param>
    public CheckReport(Dockerfile file, string? settings = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        _file = file;
        _settings = CheckSettings.Parse(settings ?? file.Directives.Check ?? "", file.Directives.CheckRange);
    }

    /// <summary>By line, each once.</summary>
    public IReadOnlyList<Finding> Findings => [.. _findings.Distinct().OrderBy(f => f.Range.Start).ThenBy(f => f.Rule, StringComparer.Ordinal)];

    public void Add(string rule, string message, SourceRange range)
    {
        var settings = _settings;
        if (_file.Instructions.FirstOrDefault(i => i.Range.Start.Line == range.Start.Line) is { } instruction)
        {
            foreach (var comment in instruction.Comments.Where(c => c.Text.StartsWith("check=", StringComparison.OrdinalIgnoreCase)))
            {
                settings = settings.With(CheckSettings.Parse(comment.Text[6..], SourceRange.OfLine(comment.Line)));
            }
        }

        if (settings.Allows(rule))
        {
            _findings.Add(new Finding(rule, message, range));
        }
    }

    /// <summary>With <c>error=true</c>, a finding fails the build.</summary>
    public void ThrowIfErrors()
    {
        if (_settings.IsError && _findings.Count > 0)
        {
            throw new DockerfileException(
                $"lint violation found for rules: {string.Join(", ", _findings.Select(f => f.Rule).Distinct().Order(StringComparer.Ordinal))}", Findings[0].Range);
        }
    }
}

/// <summary><c>skip=A,B|all;error=bool;experimental=A,B|all</c>.</summary>
internal sealed record CheckSettings(IReadOnlyList<string> Skip, IReadOnlyList<string> Experimental, bool IsError)
{
    public static CheckSettings Parse(string text, SourceRange range)
    {
        var settings = new CheckSettings([], [], false);
        foreach (var option in text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = option.Split('=', 2, StringSplitOptions.TrimEntries);
            var value = parts.Length == 2 ? parts[1] : "";
            var list = value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            settings = parts[0].ToLowerInvariant() switch
            {
                "skip" => settings with { Skip = list },
                "experimental" => settings with { Experimental = list },
                "error" when GoValues.TryBoolean(value, out var isError) => settings with { IsError = isError },
                "error" => throw new DockerfileException($"failed to parse check option \"{option}\": expected error=true or error=false", range),
                _ => throw new DockerfileException($"invalid check option \"{option}\": expected skip, error or experimental", range),
            };
        }

        return settings;
    }

    public CheckSettings With(CheckSettings local) => this with { Skip = [.. Skip, .. local.Skip], Experimental = [.. Experimental, .. local.Experimental] };

    public bool Allows(string rule) => !Has(Skip, rule) && (!Rules.Experimental.Contains(rule) || Has(Experimental, rule));

    private static bool Has(IReadOnlyList<string> list, string rule) =>
        list.Any(l => l.Equals("all", StringComparison.OrdinalIgnoreCase) || l.Equals(rule, StringComparison.OrdinalIgnoreCase));
}
