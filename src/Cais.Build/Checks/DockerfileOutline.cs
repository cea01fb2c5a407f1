using System.Globalization;
using System.Text;
using Cais.Build.Language;
using Cais.Build.Language.Syntax;

namespace Cais.Build.Checks;

/// <summary>What can be given to a build of one stage: arguments, secrets, agents, and the caches that it keeps; with what the file's comments say of them.</summary>
public sealed record DockerfileOutline
{
    /// <summary>The stage's name, or null if it has none.</summary>
    public required string? Name { get; init; }

    public required string Description { get; init; }

    public required IReadOnlyList<OutlineArgument> Arguments { get; init; }

    /// <summary>Mounts of the kinds secret, ssh and cache, each name once.</summary>
    public required IReadOnlyList<OutlineMount> Mounts { get; init; }

    /// <param name="file">The Dockerfile.</param>
    /// <param name="target">A stage's name or number; null for the last.</param>
    /// <param name="arguments">Values that are given to arguments.</param>
    /// <exception cref="DockerfileException">There is no such stage.</exception>
    public static DockerfileOutline Of(Dockerfile file, string? target, IReadOnlyDictionary<string, string> arguments)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(arguments);
        var stage = string.IsNullOrEmpty(target) ? file.Stages[^1]
            : file.Stages.LastOrDefault(s => string.Equals(s.Name, target, StringComparison.OrdinalIgnoreCase))
                ?? (int.TryParse(target, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < file.Stages.Count ? file.Stages[index] : null)
                ?? throw new DockerfileException($"target stage \"{target}\" could not be found");
        var chain = new List<Stage>();
        for (Stage? at = stage; at is not null && !chain.Contains(at);)
        {
            chain.Add(at);
            var from = at;
            at = file.Stages.LastOrDefault(s => s.Index < from.Index && string.Equals(s.Name, from.From.Base.Value, StringComparison.OrdinalIgnoreCase));
        }

        return new DockerfileOutline
        {
            Name = stage.Name,
            Description = Describe(stage.From.Comments, stage.Name ?? ""),
            Arguments = [.. file.GlobalArguments.Concat(chain.SelectMany(s => s.Instructions).OfType<ArgInstruction>())
                .SelectMany(a => a.Arguments.Select(d => (a.Comments, a.Range, Name: d.Name.Value, Default: d.Default?.Value)))
                .GroupBy(a => a.Name).Select(g => g.FirstOrDefault(a => a.Default is not null, g.First()))
                .Select(a => new OutlineArgument(a.Name, arguments.TryGetValue(a.Name, out var given) ? given : a.Default, Describe(a.Comments, a.Name), a.Range))],
            Mounts = [.. chain.SelectMany(s => s.Instructions).OfType<RunInstruction>().SelectMany(r => r.Mounts.Select(m => Read(m.Value, r.Range))).OfType<OutlineMount>()
                .DistinctBy(m => (m.Kind, m.Id))],
        };
    }

    /// <summary>What the comments above something say of it: one begins with its name.</summary>
    public static string Describe(IReadOnlyList<Comment> comments, string name)
    {
        ArgumentNullException.ThrowIfNull(comments);
        ArgumentNullException.ThrowIfNull(name);
        var first = comments.Select((c, i) => (Text: c.Text.Trim(), Index: i)).LastOrDefault(c => name.Length > 0 && c.Text.StartsWith(name + " ", StringComparison.OrdinalIgnoreCase));
        return first.Text is null ? "" : string.Join(' ', comments.Skip(first.Index).Select(c => c.Text.Trim()))[(name.Length + 1)..];
    }

    /// <summary>As text, columns separated by tabs.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"TARGET:\t{Name ?? "(default)"}\n");
        if (Description.Length > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"DESCRIPTION:\t{Description}\n");
        }

        if (Arguments.Count > 0)
        {
            text.Append("\nBUILD ARG\tVALUE\tDESCRIPTION\n");
            foreach (var argument in Arguments)
            {
                text.Append(CultureInfo.InvariantCulture, $"{argument.Name}\t{argument.Value}\t{argument.Description}\n");
            }
        }

        foreach (var kind in Mounts.GroupBy(m => m.Kind))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{kind.Key.ToUpperInvariant()}{(kind.Key == "cache" ? "" : "\tREQUIRED")}\n");
            foreach (var mount in kind)
            {
                text.Append(CultureInfo.InvariantCulture, $"{mount.Id}{(mount.IsRequired ? "\ttrue" : "")}\n");
            }
        }

        return text.ToString();
    }

    private static OutlineMount? Read(string mount, SourceRange range)
    {
        var fields = mount.Split(',').Select(f => f.Split('=', 2)).DistinctBy(f => f[0]).ToDictionary(f => f[0].Trim(), f => f.Length > 1 ? f[1].Trim('"') : "");
        string? Any(params string[] names) => names.Select(n => fields.GetValueOrDefault(n)).FirstOrDefault(v => v is not null);
        var kind = fields.GetValueOrDefault("type");
        return kind is not ("secret" or "ssh" or "cache") ? null : new OutlineMount(
            kind,
            kind == "ssh" ? Any("id") ?? "default" : kind == "cache" ? Any("id", "target", "dst", "destination") ?? "" : Any("id", "source", "src") ?? (Any("target", "dst", "destination") ?? "").Split('/')[^1],
            kind != "cache" && fields.TryGetValue("required", out var required) && required is "" or "true" or "1",
            range);
    }
}

/// <param name="Value">Given, or the default; null if there is neither.</param>
public sealed record OutlineArgument(string Name, string? Value, string Description, SourceRange Range);

/// <param name="Kind">secret, ssh or cache.</param>
public sealed record OutlineMount(string Kind, string Id, bool IsRequired, SourceRange Range);
