using System.Globalization;
using Cais.Build.Checks;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Language.Expansion;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>
/// Turns a Dockerfile into the graph of steps that its target needs. Stages that nothing needs are never looked at beyond their syntax, and their
/// base images never fetched. One planner plans one build for one platform.
/// </summary>
public sealed class BuildPlanner
{
    private readonly Dockerfile _file;
    private readonly BuildOptions _options;
    private readonly IBaseImages _images;
    private readonly ShellExpander _expander;
    private readonly GlobalScope _globals;
    private readonly Stage _target;
    private readonly CheckReport _checks;
    private readonly Dictionary<int, StageState> _done = [];
    private readonly List<int> _open = [];

    private BuildPlanner(Dockerfile file, BuildOptions options, IBaseImages images)
    {
        _file = file;
        _options = options;
        _images = images;
        _expander = new ShellExpander(file.Directives.Escape);
        _target = FindTarget();
        _globals = GlobalScope.Read(file, options, _target.Name ?? "default");
        _checks = new CheckReport(file, options.Arguments.GetValueOrDefault("BUILDKIT_DOCKERFILE_CHECK"));
    }

    /// <summary>Plans a build. Throws <see cref="DockerfileException"/> and what <paramref name="images"/> throws.</summary>
    public static async Task<BuildPlan> PlanAsync(Dockerfile file, BuildOptions options, IBaseImages images, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(images);
        try
        {
            return await new BuildPlanner(file, options, images).PlanAsync(cancellation).ConfigureAwait(false);
        }
        catch (DockerfileException e) when (e.SourceFile is null)
        {
            throw e.In(file.Source);
        }
    }

    /// <summary>Another stage's result, a named context, or an image: what <c>--from</c> and <c>from=</c> name.</summary>
    internal async Task<Step> ResolveSourceAsync(StageState user, Text name, CancellationToken cancellation)
    {
        if (FindContext(name.Value, user.Platform) is { } context)
        {
            return (await ContextAsync(name.Value, context, user.Platform, cancellation).ConfigureAwait(false)).Step;
        }

        if (FindStage(name.Value) is { } stage)
        {
            return (await StageAsync(stage, name.Range, cancellation).ConfigureAwait(false)).Root;
        }

        if (int.TryParse(name.Value, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            throw new DockerfileException($"invalid from flag value {name}: the file has stages 0 to {_file.Stages.Count - 1}", name.Range);
        }

        return name.Value == "scratch"
            ? new ScratchStep()
            : (await ImageAsync(name, user.Platform, cancellation).ConfigureAwait(false)).Step;
    }

    internal BuildOptions Options => _options;

    internal GlobalScope Globals => _globals;

    internal ShellExpander Expander => _expander;

    internal CheckReport Checks => _checks;

    internal char Escape => _file.Directives.Escape;

    internal bool HasSeveralStages => _file.Stages.Count > 1;

    /// <summary>The build context.</summary>
    internal ContextStep Context { get; } = new("", "[internal] load build context");

    private async Task<BuildPlan> PlanAsync(CancellationToken cancellation)
    {
        DockerfileChecks.Run(_file, _checks);
        var state = await StageAsync(_target, _target.From.Range, cancellation).ConfigureAwait(false);
        foreach (var (name, value) in _options.Labels)
        {
            state.Config = state.Config with { Labels = new Dictionary<string, string>(state.Config.Labels ?? new Dictionary<string, string>()) { [name] = value } };
        }

        _checks.ThrowIfErrors();
        return new BuildPlan(
            state.Root,
            state.Base with
            {
                Author = state.Author,
                Architecture = state.Platform.Architecture,
                Os = state.Platform.Os,
                Variant = state.Platform.Variant,
                Config = state.Config with { Env = [.. state.Environment.Select(e => $"{e.Key}={e.Value}")] },
                Parent = null,
                Comment = null,
                DockerVersion = null,
            },
            state.History,
            _checks.Findings)
        {
            Instructions = [.. _done.OrderBy(d => d.Key).SelectMany(d => d.Value.Planned)],
        };
    }

    private Stage FindTarget()
    {
        if (string.IsNullOrEmpty(_options.Target))
        {
            return _file.Stages[^1];
        }

        return FindStage(_options.Target)
            ?? throw new DockerfileException(
                $"target stage \"{_options.Target}\" could not be found{Suggestions.For(_options.Target, _file.Stages.Select(s => s.Name).OfType<string>())}");
    }

    private Stage? FindStage(string name) =>
        _file.Stages.LastOrDefault(s => string.Equals(s.Name, name, StringComparison.OrdinalIgnoreCase))
        ?? (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < _file.Stages.Count ? _file.Stages[index] : null);

    private async Task<StageState> StageAsync(Stage stage, SourceRange usedAt, CancellationToken cancellation)
    {
        if (_done.TryGetValue(stage.Index, out var done))
        {
            return done;
        }

        if (_open.Contains(stage.Index))
        {
            throw new DockerfileException($"circular dependency detected on stage: {stage.DisplayName}", usedAt);
        }

        _open.Add(stage.Index);
        var state = await BeginStageAsync(stage, cancellation).ConfigureAwait(false);
        var planner = new StagePlanner(this, state);

        // An image's triggers run once, right after FROM, and are not passed on.
        var triggers = state.Config.OnBuild ?? [];
        state.Config = state.Config with { OnBuild = null };
        var instructions = triggers.SelectMany(t => Triggered(t, stage)).Concat(stage.Instructions).ToList();
        state.StepCount = 1 + instructions.Count(i => i is RunInstruction or CopyInstruction or WorkdirInstruction);
        state.StepNumber = 1;
        state.Planned.Add(new PlannedInstruction(stage, stage.From, state.Root));
        foreach (var instruction in instructions)
        {
            var before = state.Root;
            await planner.ApplyAsync(instruction, cancellation).ConfigureAwait(false);
            state.Planned.Add(new PlannedInstruction(stage, instruction, ReferenceEquals(before, state.Root) ? null : state.Root));
        }

        _open.Remove(stage.Index);
        _done[stage.Index] = state;
        return state;
    }

    private static IEnumerable<Instruction> Triggered(string trigger, Stage stage)
    {
        try
        {
            return Dockerfile.ParseTrigger(trigger).Select(i => i with { Range = stage.From.Range });
        }
        catch (DockerfileException e)
        {
            throw new DockerfileException($"the base image's ONBUILD trigger \"{trigger}\" is wrong: {e.Reason}", stage.From.Base.Range, null, e);
        }
    }

    private async Task<StageState> BeginStageAsync(Stage stage, CancellationToken cancellation)
    {
        var from = stage.From;
        var unset = new List<string>();
        var platform = _options.Platform;
        if (from.Platform is { } written)
        {
            var text = GlobalScope.Located(written, () => _expander.Expand(written.Value, _globals, unset));
            try
            {
                platform = Platform.Parse(text);
            }
            catch (ImageFormatException e)
            {
                throw new DockerfileException($"failed to parse platform {text}: {e.Message}", written.Range, null, e);
            }
        }

        var name = GlobalScope.Located(from.Base, () => _expander.Expand(from.Base.Value, _globals, unset));
        foreach (var variable in unset)
        {
            _checks.Add(Rules.UndefinedArgInFrom, $"FROM argument '{variable}' is not declared{Suggestions.For(variable, _globals.Names)}", from.Range);
        }

        if (name.Length == 0)
        {
            throw new DockerfileException($"base name ({from.Base}) should not be blank", from.Base.Range);
        }

        var ignoreCache = _options.NoCache || _options.NoCacheStages.Any(s => s.Equals(stage.DisplayName, StringComparison.OrdinalIgnoreCase));
        if (FindContext(name, platform) is { } context)
        {
            var (step, image) = await ContextAsync(name, context, platform, cancellation).ConfigureAwait(false);
            return image is null ? FromScratch(stage, platform, step, ignoreCache) : FromImage(stage, step, image, ignoreCache);
        }

        if (_file.Stages.LastOrDefault(s => s.Index < stage.Index && string.Equals(s.Name, name, StringComparison.OrdinalIgnoreCase)) is { } earlier)
        {
            return FromStage(stage, await StageAsync(earlier, from.Base.Range, cancellation).ConfigureAwait(false), ignoreCache);
        }

        if (name == "scratch")
        {
            return FromScratch(stage, platform, new ScratchStep(), ignoreCache);
        }

        var (rootfs, found) = await ImageAsync(from.Base with { Value = name }, platform, cancellation, stage.DisplayName).ConfigureAwait(false);
        if (platform.Preference(found.Config.Platform) is null)
        {
            _checks.Add(Rules.InvalidBaseImagePlatform, $"Base image {name} was pulled with platform \"{found.Config.Platform}\", expected \"{platform}\" for current build", from.Range);
        }

        return FromImage(stage, rootfs, found, ignoreCache);
    }

    private static StageState FromScratch(Stage stage, Platform platform, Step root, bool ignoreCache) => new(stage, root, platform)
    {
        IgnoreCache = ignoreCache,
        Environment = [new("PATH", StageState.DefaultPath)],
        Config = new ContainerDefaults { WorkingDir = "/" },
    };

    private static StageState FromImage(Stage stage, Step root, BaseImage image, bool ignoreCache)
    {
        var state = new StageState(stage, root, image.Config.Platform)
        {
            IgnoreCache = ignoreCache,
            Environment = StageState.ReadEnvironment(image.Config.Config?.Env),
            Config = image.Config.Config ?? new ContainerDefaults(),
            Base = image.Config,
            Author = image.Config.Author,
            History = [.. image.Config.History ?? []],
        };
        if (!state.Environment.Exists(e => e.Key == "PATH"))
        {
            state.SetVariable("PATH", StageState.DefaultPath);
        }

        return state;
    }

    private static StageState FromStage(Stage stage, StageState earlier, bool ignoreCache) => new(stage, earlier.Root, earlier.Platform)
    {
        IgnoreCache = ignoreCache,
        Environment = [.. earlier.Environment],
        Arguments = [.. earlier.Arguments],
        Config = earlier.Config,
        Base = earlier.Base,
        Author = earlier.Author,
        History = [.. earlier.History],
    };

    /// <summary>A named context: one for the platform before one for all.</summary>
    private string? FindContext(string name, Platform platform) =>
        _options.NamedContexts.GetValueOrDefault($"{name}::{platform}") ?? _options.NamedContexts.GetValueOrDefault(name);

    private async Task<(Step Step, BaseImage? Image)> ContextAsync(string name, string context, Platform platform, CancellationToken cancellation)
    {
        const string image = "docker-image://";
        if (context.StartsWith("oci-layout://", StringComparison.Ordinal) || context.StartsWith("input:", StringComparison.Ordinal))
        {
            throw new DockerfileException($"context {name}: {context.Split(':')[0]} is not supported: load the image and use docker-image://, or give its files as a directory");
        }

        if (!context.StartsWith(image, StringComparison.Ordinal))
        {
            return (new ContextStep(name, $"[context {name}] load from client"), null);
        }

        var reference = context[image.Length..];
        if (reference == "scratch")
        {
            return (new ScratchStep(), null);
        }

        var (step, found) = await ImageAsync(new Text(reference, default), platform, cancellation).ConfigureAwait(false);
        return (step, found);
    }

    private async Task<(Step Step, BaseImage Image)> ImageAsync(Text reference, Platform platform, CancellationToken cancellation, string? stage = null)
    {
        if (!Reference.TryParse(reference.Value, out var parsed) && !reference.Value.StartsWith("sha256:", StringComparison.Ordinal))
        {
            throw new DockerfileException($"failed to parse stage name \"{reference}\": invalid reference format", reference.Range);
        }

        var name = parsed?.WithDefaultTag().ToString() ?? reference.Value;
        var image = await _images.ResolveAsync(reference.Value, platform, cancellation).ConfigureAwait(false);
        var label = stage is null ? "" : _file.Stages.Count > 1 ? $"[{stage} 1/1] " : "[1/1] ";
        return (new ImageStep(name, image.Identity, $"{label}FROM {name}") { Range = reference.Range }, image);
    }
}
