using Cais.Build.Checks;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>Goes through one stage's instructions: each changes the configuration, adds a step, or both.</summary>
internal sealed class StagePlanner(BuildPlanner build, StageState stage)
{
    private HashSet<string> _unset = [];

    public async Task ApplyAsync(Instruction instruction, CancellationToken cancellation)
    {
        _unset = [];
        switch (instruction)
        {
            case RunInstruction run:
                await RunAsync(run, cancellation).ConfigureAwait(false);
                break;
            case CopyInstruction copy:
                await CopyAsync(copy, cancellation).ConfigureAwait(false);
                break;
            case WorkdirInstruction workdir:
                Workdir(workdir);
                break;
            case ArgInstruction argument:
                Argument(argument);
                break;
            case EnvInstruction env:
                Env(env);
                break;
            case LabelInstruction label:
                Label(label);
                break;
            case ExposeInstruction expose:
                Expose(expose);
                break;
            case VolumeInstruction volume:
                var paths = volume.Paths.Select(Expand).ToList();
                stage.Config = stage.Config with { Volumes = Union(stage.Config.Volumes, paths.Where(p => p.Length > 0)) };
                stage.Remember($"VOLUME [{string.Join(' ', paths)}]", isEmpty: true);
                break;
            case UserInstruction user:
                stage.Config = stage.Config with { User = Expand(user.User) };
                stage.Remember($"USER {stage.Config.User}", isEmpty: true);
                break;
            case StopSignalInstruction signal:
                StopSignal(signal);
                break;
            case ShellInstruction shell:
                stage.Config = stage.Config with { Shell = shell.Shell };
                stage.Remember($"SHELL [{string.Join(' ', shell.Shell)}]", isEmpty: true);
                break;
            case CmdInstruction cmd:
                stage.Config = stage.Config with { Cmd = cmd.Command.Resolve(stage.Shell), ArgsEscaped = true };
                stage.HasCommand = true;
                stage.Remember($"CMD {Json(stage.Config.Cmd)}", isEmpty: true);
                break;
            case EntrypointInstruction entrypoint:
                stage.Config = stage.Config with
                {
                    Entrypoint = entrypoint.Command.Resolve(stage.Shell),

                    // An inherited CMD would become arguments of a program it was not meant for.
                    Cmd = stage.HasCommand ? stage.Config.Cmd : null,
                };
                stage.HasEntrypoint = true;
                stage.Remember($"ENTRYPOINT {Json(stage.Config.Entrypoint)}", isEmpty: true);
                break;
            case HealthcheckInstruction health:
                Healthcheck(health);
                break;
            case OnbuildInstruction onbuild:
                stage.Config = stage.Config with { OnBuild = [.. stage.Config.OnBuild ?? [], onbuild.TriggerWithHeredocs] };
                stage.Remember($"ONBUILD {onbuild.Trigger}", isEmpty: true);
                break;
            case MaintainerInstruction maintainer:
                stage.Author = maintainer.Author;
                stage.Remember($"MAINTAINER {maintainer.Author}", isEmpty: true);
                break;
            default:
                throw new DockerfileException($"{instruction.Name} is not allowed here", instruction.Range);
        }

        foreach (var name in _unset)
        {
            build.Checks.Add(Rules.UndefinedVar, $"Usage of undefined variable '${name}'{Suggestions.For(name, stage.Names, "$")}", instruction.Range);
        }
    }

    private string Expand(Text text) => GlobalScope.Located(text, () => build.Expander.Expand(text.Value, stage, _unset));

    private string StepName(string text)
    {
        stage.StepNumber++;
        var name = stage.Stage.Name is { } n ? n + " " : build.HasSeveralStages ? $"stage-{stage.Stage.Index} " : "";
        return $"[{name}{stage.StepNumber}/{stage.StepCount}] {text}";
    }

    private async Task RunAsync(RunInstruction run, CancellationToken cancellation)
    {
        if (run.Devices.Count > 0)
        {
            throw new DockerfileException("RUN --device is not supported: CDI devices are not given to builds", run.Range);
        }

        var mounts = new List<StepMount>();
        foreach (var written in run.Mounts)
        {
            mounts.Add(await MountAsync(written, cancellation).ConfigureAwait(false));
        }

        var (arguments, scripts) = Command(run);
        var declared = stage.Arguments.Where(a => a.Value is not null && !stage.Environment.Exists(e => e.Key == a.Key)).Select(a => $"{a.Key}={a.Value}").ToList();
        var proxies = GlobalScope.Proxies
            .Where(p => build.Options.Arguments.ContainsKey(p) && !stage.TryGet(p, out _))
            .Select(p => $"{p}={build.Options.Arguments[p]}").ToList();
        stage.Root = new RunStep(stage.Root, mounts, StepName(run.Text))
        {
            Arguments = arguments,
            Environment = [.. declared, .. stage.Environment.Select(e => $"{e.Key}={e.Value}")],
            UncachedEnvironment = proxies,
            WorkingDirectory = stage.WorkingDirectory,
            User = stage.User,
            Network = run.Network == RunNetwork.Default ? build.Options.Network : run.Network,
            IsInsecure = run.IsInsecure,
            Scripts = scripts,
            Surroundings = build.Options.Surroundings with
            {
                Hostname = build.Options.Surroundings.Hostname ?? build.Options.Arguments.GetValueOrDefault("BUILDKIT_SANDBOX_HOSTNAME"),
            },
            Platform = stage.Platform,
            IgnoreCache = stage.IgnoreCache,
            Range = run.Range,
        };
        stage.Remember($"RUN {(declared.Count > 0 ? $"|{declared.Count} {string.Join(' ', declared)} " : "")}{string.Join(' ', arguments)}", isEmpty: false);
    }

    private (IReadOnlyList<string> Arguments, IReadOnlyList<ScriptFile> Scripts) Command(RunInstruction run)
    {
        if (run.Heredocs.Count == 0 || !run.Command.IsShell)
        {
            return (run.Command.Resolve(stage.Shell), []);
        }

        var text = run.Command.Words[0];
        if (run.Heredocs.Count == 1 && Language.Syntax.HeredocReader.TryRead(text, build.Escape, out _))
        {
            var only = run.Heredocs[0];
            if (!only.Content.StartsWith("#!", StringComparison.Ordinal))
            {
                return ([.. stage.Shell, only.Content], []);
            }

            var path = "/dev/pipes/" + only.Name;
            return ([path], [new ScriptFile(path, only.Content)]);
        }

        // The shell reads these itself, as they stand in the file.
        var whole = new System.Text.StringBuilder(text);
        foreach (var heredoc in run.Heredocs)
        {
            whole.Append('\n').Append(heredoc.Content).Append(heredoc.Name);
        }

        return ([.. stage.Shell, whole.ToString()], []);
    }

    private async Task<StepMount> MountAsync(Text written, CancellationToken cancellation)
    {
        var mount = GlobalScope.Located(written, () => RunMountParser.Parse(written, v => build.Expander.Expand(v, stage, _unset)));
        Step? from = null;
        if (mount.From is { } name)
        {
            from = await build.ResolveSourceAsync(stage, new Text(name, written.Range), cancellation).ConfigureAwait(false);
        }
        else if (mount.Kind == MountKind.Bind)
        {
            from = build.Context;
        }

        var target = mount.Kind switch
        {
            MountKind.Secret when string.IsNullOrEmpty(mount.Target) => mount.Variable is null ? $"/run/secrets/{GoPath.Base(mount.Id ?? mount.Source!)}" : "",
            MountKind.Ssh when string.IsNullOrEmpty(mount.Target) => "",
            _ => GoPath.Resolve(stage.WorkingDirectory, mount.Target!),
        };
        if (target == "/")
        {
            throw new DockerfileException($"invalid mount target \"{mount.Target}\": the root directory cannot be mounted over", written.Range);
        }

        var cacheId = mount.Kind == MountKind.Cache
            ? $"{build.Options.Arguments.GetValueOrDefault("BUILDKIT_CACHE_MOUNT_NS", "")}/{(string.IsNullOrEmpty(mount.Id) ? GoPath.Clean(target) : mount.Id)}"
            : null;
        return new StepMount(mount, target, from, cacheId);
    }

    private async Task CopyAsync(CopyInstruction copy, CancellationToken cancellation)
    {
        var written = Expand(copy.Destination);
        var destination = GoPath.Resolve(stage.WorkingDirectory, written);
        if (written.EndsWith('/') || written is "." or ".." || written.EndsWith("/.", StringComparison.Ordinal))
        {
            destination = destination.TrimEnd('/') + "/";
        }

        copy = copy.Checksum is { } given ? copy with { Checksum = given with { Value = Expand(given) } } : copy;
        var root = copy.From is { } from ? await build.ResolveSourceAsync(stage, from, cancellation).ConfigureAwait(false) : build.Context;
        var sources = new List<CopySource>();
        var names = new List<string>();
        foreach (var source in copy.Sources)
        {
            var path = Expand(source);
            names.Add(path);
            sources.Add(copy.IsAdd ? RemoteSource.TryRead(path, destination, copy, source.Range) ?? new CopySource(root, path) : new CopySource(root, path));
            if (copy.From is null && sources[^1].Root == build.Context && IsIgnored(path))
            {
                build.Checks.Add(Rules.CopyIgnoredFile, $"Attempting to {copy.Name} file \"{path}\" that is excluded by .dockerignore", copy.Range);
            }
        }

        foreach (var heredoc in copy.Inline)
        {
            var text = new Text(heredoc.Content, SourceRange.OfLine(heredoc.Line));
            names.Add("<<" + heredoc.Name);
            sources.Add(new CopySource(null, heredoc.Name, heredoc.Expands
                ? GlobalScope.Located(text with { Value = heredoc.Name }, () => new Language.Expansion.ShellExpander('\\').ExpandKeepingQuotes(heredoc.Content, stage, _unset))
                : heredoc.Content));
        }

        if (copy.Checksum is { } checksum && (sources.Count != 1 || sources[0].Root is not (HttpStep or GitStep)))
        {
            throw new DockerfileException("checksum can only be specified for a single HTTP(S) or Git source", checksum.Range);
        }

        if (sources.Count > 1 && !destination.EndsWith('/'))
        {
            throw new DockerfileException($"When using {copy.Name} with more than one source file, the destination must be a directory and end with a /", copy.Destination.Range);
        }

        var mode = copy.Mode is { } m ? Expand(m) : null;
        if (mode is not null)
        {
            Files.ModeChange.Parse(mode, copy.Mode!.Value);
        }

        stage.Root = new CopyStep(stage.Root, sources, StepName(copy.Text))
        {
            Destination = destination,
            Owner = copy.Owner is { } owner ? Expand(owner) : null,
            Mode = mode,
            IsLink = copy.IsLink,
            KeepsParents = copy.KeepsParents,
            Exclude = [.. copy.Exclude.Select(Expand)],
            Unpack = !copy.IsAdd || copy.Unpack == false ? UnpackMode.Never : copy.Unpack == true ? UnpackMode.Always : UnpackMode.Archives,
            LatestTime = build.Options.Epoch?.ToUnixTimeSeconds(),
            IgnoreCache = stage.IgnoreCache,
            Range = copy.Range,
        };
        var chown = copy.Owner is null ? "" : $"--chown={((CopyStep)stage.Root).Owner} ";
        var chmod = mode is null ? "" : $"--chmod={mode} ";
        stage.Remember($"{copy.Name} {chown}{chmod}{string.Join(' ', names)} {written}", isEmpty: false);
    }

    private bool IsIgnored(string path)
    {
        var clean = GoPath.Rooted(path)[1..];
        return clean.Length > 0 && !build.Options.Ignore.HasExceptions && !PathPattern.HasWildcards(path) && build.Options.Ignore.IsIgnored(clean);
    }

    private void Workdir(WorkdirInstruction workdir)
    {
        var written = Expand(workdir.Path);
        var path = GoPath.Resolve(stage.WorkingDirectory, written);
        if (!written.StartsWith('/') && string.IsNullOrEmpty(stage.Config.WorkingDir))
        {
            build.Checks.Add(Rules.WorkdirRelativePath, $"Relative workdir \"{written}\" can have unexpected results if the base image changes", workdir.Range);
        }

        stage.Config = stage.Config with { WorkingDir = path };
        var name = StepName(workdir.Text);
        if (path == "/")
        {
            // The root is always there: no step, no layer.
            stage.Remember($"WORKDIR {path}", isEmpty: true);
            return;
        }

        stage.Root = new DirectoryStep(stage.Root, path, stage.User, name) { IgnoreCache = stage.IgnoreCache, Range = workdir.Range };
        stage.Remember($"WORKDIR {path}", isEmpty: false);
    }

    private void Argument(ArgInstruction instruction)
    {
        var shown = new List<string>();
        var declared = new List<(string, string?)>();
        foreach (var argument in instruction.Arguments)
        {
            var name = Expand(argument.Name);
            string? value = argument.Default is { } text ? Expand(text) : null;
            shown.Add(value is null ? name : $"{name}={value}");
            if (build.Options.Arguments.TryGetValue(name, out var given))
            {
                value = given;
            }
            else if (argument.Default is null && build.Globals.TryGet(name, out var global))
            {
                value = global;
            }

            declared.Add((name, value));
        }

        // All values of one instruction come from before it.
        foreach (var (name, value) in declared)
        {
            stage.Declare(name, value);
        }

        stage.Remember($"ARG {string.Join(' ', shown)}", isEmpty: true);
    }

    private void Env(EnvInstruction instruction)
    {
        var pairs = instruction.Variables.Select(v => (Name: Expand(v.Name), Value: Expand(v.Value))).ToList();
        foreach (var (name, value) in pairs)
        {
            stage.SetVariable(name, value);
        }

        stage.Remember($"ENV {string.Join(' ', pairs.Select(p => $"{p.Name}={p.Value}"))}", isEmpty: true);
    }

    private void Label(LabelInstruction instruction)
    {
        var labels = new Dictionary<string, string>(stage.Config.Labels ?? new Dictionary<string, string>());
        var shown = new List<string>();
        foreach (var (name, value) in instruction.Labels.Select(l => (Expand(l.Name), Expand(l.Value))))
        {
            labels[name] = value;
            shown.Add($"{name}={value}");
        }

        stage.Config = stage.Config with { Labels = labels };
        stage.Remember($"LABEL {string.Join(' ', shown)}", isEmpty: true);
    }

    private void Expose(ExposeInstruction instruction)
    {
        var ports = new List<string>();
        foreach (var text in instruction.Ports)
        {
            foreach (var port in GlobalScope.Located(text, () => build.Expander.ExpandToWords(text.Value, stage, _unset)))
            {
                ports.AddRange(PortSpecification.Read(port, text.Range, build.Checks, instruction.Range));
            }
        }

        stage.Config = stage.Config with { ExposedPorts = Union(stage.Config.ExposedPorts, ports) };
        stage.Remember($"EXPOSE [{string.Join(' ', ports)}]", isEmpty: true);
    }

    private void StopSignal(StopSignalInstruction instruction)
    {
        var signal = Expand(instruction.Signal);
        if (!SignalNames.IsKnown(signal))
        {
            throw new DockerfileException($"invalid signal: {signal}: expected a name such as SIGTERM, or a number from 1 to 64", instruction.Signal.Range);
        }

        stage.Config = stage.Config with { StopSignal = signal };
        stage.Remember($"STOPSIGNAL {signal}", isEmpty: true);
    }

    private void Healthcheck(HealthcheckInstruction health)
    {
        static long? Nanoseconds(TimeSpan? time) => time is { } t ? (long)(t.TotalMicroseconds * 1000) : null;
        stage.Config = stage.Config with
        {
            Healthcheck = health.Command is null ? new HealthCheck { Test = ["NONE"] } : new HealthCheck
            {
                Test = health.Command.IsShell ? ["CMD-SHELL", .. health.Command.Words] : ["CMD", .. health.Command.Words],
                Interval = Nanoseconds(health.Interval),
                Timeout = Nanoseconds(health.Timeout),
                StartPeriod = Nanoseconds(health.StartPeriod),
                StartInterval = Nanoseconds(health.StartInterval),
                Retries = health.Retries,
            },
        };
        stage.Remember(health.Text.Trim(), isEmpty: true);
    }

    private static Dictionary<string, EmptyObject?> Union(IReadOnlyDictionary<string, EmptyObject?>? set, IEnumerable<string> added)
    {
        var union = new Dictionary<string, EmptyObject?>(set ?? new Dictionary<string, EmptyObject?>());
        foreach (var item in added)
        {
            union[item] = EmptyObject.Value;
        }

        return union;
    }

    private static string Json(IEnumerable<string> words) =>
        $"[{string.Join(' ', words.Select(w => $"\"{w.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""))}]";
}
