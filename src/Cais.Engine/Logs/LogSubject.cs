using System.Text.RegularExpressions;
using Cais.Templates;

namespace Cais.Engine.Logs;

/// <summary>Whose output it is: what drivers tell their receivers, and what tags are made of.</summary>
internal sealed record LogSubject
{
    public required string Id { get; init; }

    /// <summary>Without the slash that the API puts before it.</summary>
    public required string Name { get; init; }

    /// <summary>The image's digest.</summary>
    public required string ImageId { get; init; }

    /// <summary>The image as the user named it.</summary>
    public required string ImageName { get; init; }

    public required IReadOnlyList<string> CommandLine { get; init; }

    public required DateTimeOffset Created { get; init; }

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary><c>name=value</c></summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>The machine's name.</summary>
    public string Hostname { get; init; } = "";

    public string ShortId => Id[..Math.Min(12, Id.Length)];

    /// <summary>The labels and variables that the options <c>labels</c>, <c>labels-regex</c>, <c>env</c> and <c>env-regex</c> choose.</summary>
    public Dictionary<string, string> Attributes(IReadOnlyDictionary<string, string> options, Func<string, string>? rename = null)
    {
        rename ??= static name => name;
        var attributes = new Dictionary<string, string>();
        foreach (var (name, value) in Chosen(options, "labels", Labels))
        {
            attributes[rename(name)] = value;
        }

        var variables = Environment.Select(e => e.Split('=', 2)).Where(e => e.Length == 2).GroupBy(e => e[0]).ToDictionary(e => e.Key, e => e.Last()[1]);
        foreach (var (name, value) in Chosen(options, "env", variables))
        {
            attributes[rename(name)] = value;
        }

        return attributes;
    }

    /// <summary>The option <c>tag</c>, or another template where it is not given, filled in.</summary>
    /// <exception cref="EngineException">It is no template, or names what there is not.</exception>
    public string Tag(IReadOnlyDictionary<string, string> options, string otherwise = "{{.ID}}")
    {
        var template = options.GetValueOrDefault("tag") is { Length: > 0 } given ? given : otherwise;
        try
        {
            return Template.Parse(template).Execute(new TagValues(this));
        }
        catch (TemplateException e)
        {
            throw EngineException.InvalidParameter($"failed to parse the log tag: {e.Message}");
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Chosen(
        IReadOnlyDictionary<string, string> options, string option, IReadOnlyDictionary<string, string> values)
    {
        if (options.GetValueOrDefault(option) is { Length: > 0 } names)
        {
            foreach (var name in names.Split(',').Where(values.ContainsKey))
            {
                yield return new(name, values[name]);
            }
        }

        if (options.GetValueOrDefault(option + "-regex") is { Length: > 0 } pattern)
        {
            // Without backtracking, as Go's: no pattern takes for ever.
            var regex = Pattern(pattern);
            foreach (var value in values.Where(v => regex.IsMatch(v.Key)))
            {
                yield return value;
            }
        }
    }

    /// <exception cref="EngineException">It is no regular expression.</exception>
    internal static Regex Pattern(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw EngineException.InvalidParameter($"error parsing regexp: {e.Message}");
        }
    }

    /// <summary>The names that docker's tags may use.</summary>
    private sealed class TagValues(LogSubject subject) : GoStruct
    {
        public override string TypeName => "logger.Info";

        public override IEnumerable<string> FieldNames =>
        [
            "ContainerID", "ContainerName", "ContainerEntrypoint", "ContainerArgs", "ContainerImageID", "ContainerImageName", "ContainerCreated",
            "ContainerEnv", "ContainerLabels", "DaemonName",
        ];

        public override bool TryGetField(string name, out object? value)
        {
            value = name switch
            {
                "ID" => subject.ShortId,
                "FullID" or "ContainerID" => subject.Id,
                "Name" => subject.Name,
                "ContainerName" => "/" + subject.Name,
                "ImageID" => Short(subject.ImageId),
                "ImageFullID" or "ContainerImageID" => subject.ImageId,
                "ImageName" or "ContainerImageName" => subject.ImageName,
                "Command" => string.Join(' ', subject.CommandLine),
                "ContainerEntrypoint" => subject.CommandLine.Count > 0 ? subject.CommandLine[0] : "",
                "ContainerArgs" => (IReadOnlyList<object?>)[.. subject.CommandLine.Skip(1)],
                "ContainerCreated" => Timestamps.Format(subject.Created),
                "ContainerEnv" => (IReadOnlyList<object?>)[.. subject.Environment],
                "ContainerLabels" => new GoDictionary(subject.Labels.ToDictionary(l => l.Key, object? (l) => l.Value)),
                "DaemonName" => "docker",
                "Hostname" => subject.Hostname,
                _ => null,
            };
            return value is not null;
        }

        private static string Short(string digest)
        {
            var hex = digest[(digest.IndexOf(':') + 1)..];
            return hex[..Math.Min(12, hex.Length)];
        }
    }
}
