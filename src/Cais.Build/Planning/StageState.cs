using System.Diagnostics.CodeAnalysis;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Language.Expansion;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>A stage while its instructions are gone through: the step so far, and the image's configuration so far.</summary>
internal sealed class StageState : IVariables
{
    public const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    public StageState(Stage stage, Step root, Platform platform)
    {
        Stage = stage;
        Root = root;
        Platform = platform;
    }

    public Stage Stage { get; }

    public Step Root { get; set; }

    public Platform Platform { get; }

    /// <summary>NAME=value in the order of first definition, as images have it.</summary>
    public List<KeyValuePair<string, string>> Environment { get; init; } = [];

    /// <summary>Arguments in scope; null for those declared and not set.</summary>
    public List<KeyValuePair<string, string?>> Arguments { get; init; } = [];

    public ContainerDefaults Config { get; set; } = new();

    public ImageConfig Base { get; init; } = new();

    public string? Author { get; set; }

    public List<HistoryEntry> History { get; init; } = [];

    /// <summary>The steps that make layers, in the order of <see cref="History"/>'s entries that are not empty, after the base's.</summary>
    public bool HasCommand { get; set; }

    public bool HasEntrypoint { get; set; }

    public IReadOnlyList<string> Shell => Config.Shell ?? ["/bin/sh", "-c"];

    public bool IgnoreCache { get; init; }

    public List<PlannedInstruction> Planned { get; } = [];

    /// <summary>Steps so far and in all, for their names.</summary>
    public int StepNumber { get; set; }

    public int StepCount { get; set; }

    public string WorkingDirectory => string.IsNullOrEmpty(Config.WorkingDir) ? "/" : Config.WorkingDir;

    public string User => Config.User ?? "";

    public IEnumerable<string> Names => Environment.Select(e => e.Key).Concat(Arguments.Where(a => a.Value is not null).Select(a => a.Key));

    /// <summary>ENV hides ARG.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out string? value)
    {
        foreach (var (key, found) in Environment)
        {
            if (key == name)
            {
                value = found;
                return true;
            }
        }

        value = Arguments.FindLast(a => a.Key == name).Value;
        return value is not null;
    }

    public void SetVariable(string name, string value)
    {
        var at = Environment.FindIndex(e => e.Key == name);
        if (at >= 0)
        {
            Environment[at] = new(name, value);
        }
        else
        {
            Environment.Add(new(name, value));
        }
    }

    public void Declare(string name, string? value)
    {
        Arguments.RemoveAll(a => a.Key == name);
        Arguments.Add(new(name, value));
    }

    public void Remember(string createdBy, bool isEmpty) => History.Add(new HistoryEntry
    {
        CreatedBy = createdBy + " # buildkit",
        Comment = "buildkit.dockerfile.v0",
        EmptyLayer = isEmpty,
    });

    public static List<KeyValuePair<string, string>> ReadEnvironment(IReadOnlyList<string>? lines) => [.. (lines ?? []).Select(line =>
    {
        var equals = line.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? new KeyValuePair<string, string>(line, "") : new(line[..equals], line[(equals + 1)..]);
    })];
}
