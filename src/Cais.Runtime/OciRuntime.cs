using System.Globalization;
using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Checkpoint;
using Cais.Runtime.Systemd;

namespace Cais.Runtime;

/// <summary>An OCI runtime whose containers' states are below one directory: <c>&lt;root&gt;/&lt;id&gt;/state.json</c>.</summary>
public sealed class OciRuntime(string stateRoot)
{
    internal const string ConfigName = "config.json";

    public string StateRoot { get; } = Path.GetFullPath(stateRoot);

    /// <summary>Makes the container; its program waits for <see cref="Container.Start"/>. Its first process is a child of this one.</summary>
    public Container Create(CreateRequest request) => Create(request, (directory, state, spec, cgroup) => Launch(directory, state, spec, request, cgroup));

    /// <summary>Makes the container from an image that <see cref="Container.Checkpoint"/> wrote; it goes on where it was.</summary>
    public Container Restore(RestoreRequest request) => Create(
        request.Container, (directory, state, spec, cgroup) => ContainerRestore.Run(directory, state, spec, request, cgroup));

    private Container Create(CreateRequest request, Func<string, StateFile, Spec, ContainerCgroup, Container> start)
    {
        CheckId(request.Id);
        var bundle = Path.GetFullPath(request.Bundle);
        var configuration = request.Configuration ?? ReadConfiguration(bundle);
        var spec = request.Spec ?? ParseConfiguration(configuration, $"{bundle}/{ConfigName}");
        SpecCheck.Validate(spec);
        if (request.RequireConsoleSocket && spec.Process?.Terminal == true && request.ConsoleSocket is null)
        {
            throw new RuntimeException(
                RuntimeError.InvalidConfig, "cannot allocate tty if the runtime will detach without setting console socket");
        }

        var directory = $"{StateRoot}/{request.Id}";
        MakeStateRoot();
        if (!Files.MakeDirectory(directory, 0x1c0))
        {
            throw new RuntimeException(RuntimeError.AlreadyExists, $"container with id {request.Id} exists already");
        }

        ContainerCgroup? cgroup = null;
        SystemdScope? scope = null;
        IDisposable? placeholder = null;
        ResourceDirector? director = null;
        try
        {
            var layout = CgroupLayout.Detect();
            var cgroupsPath = spec.Linux?.CgroupsPath;
            if (request.SystemdCgroup)
            {
                scope = SystemdScope.Parse(cgroupsPath, request.Id);
                cgroupsPath = scope.Start(request.Id, spec.Linux?.Resources, layout.IsUnified, out placeholder);
            }

            cgroup = request.WithoutCgroup ? new NoCgroup(layout.IsUnified) : ContainerCgroup.For(layout, cgroupsPath, request.Id);
            director = ResourceDirector.Prepare(spec.Linux?.IntelRdt, request.Id);
            var state = NewState(request, bundle, spec, cgroup) with
            {
                ResourceGroups = director?.Groups ?? [],
                ResourceGroupsMade = director?.Own ?? [],
            };
            state.Write(directory);
            using (var file = Files.Open($"{directory}/{ConfigName}", OpenFlags.WriteOnly | OpenFlags.Create, 0x180))
            {
                Files.Write(file, configuration);
            }

            try
            {
                cgroup.Create();
            }
            catch (LinuxException e) when (NoCgroup.IsRefusal(e) && NoCgroup.Suffices(spec.Linux?.Resources))
            {
                cgroup.Delete();
                cgroup = new NoCgroup(cgroup.MountSource.Unified);
                state = state with { CgroupPaths = [] };
                state.Write(directory);
            }

            if (CgroupDelegation.OwnerOf(spec) is { } owner and not 0)
            {
                cgroup.Delegate(owner);
            }

            cgroup.Apply(spec.Linux?.Resources, update: false);
            return start(directory, state, spec, cgroup);
        }
        catch (Exception e)
        {
            // Nothing half-made stays behind. If this process dies instead, delete finds the same things through the state file.
            cgroup?.SignalAll(Signals.Kill);
            placeholder?.Dispose();
            cgroup?.Delete();
            if (cgroup is not null && scope is not null)
            {
                SystemdScope.Stop(scope.Unit);
            }

            director?.Undo();
            RemoveDirectory(directory);
            if (e is RuntimeException { Error: RuntimeError.Hook } && cgroup is not null)
            {
                // Hooks that ran may have made something that those of the end take away; what they fail at is no news any more.
                Container.RunPoststop(spec.Hooks, NewState(request, bundle, spec, cgroup));
            }

            throw;
        }
        finally
        {
            // The container's own process is there now, or nothing is.
            placeholder?.Dispose();
        }
    }

    private static Container Launch(string directory, StateFile state, Spec spec, CreateRequest request, ContainerCgroup cgroup)
    {
        var missing = new List<string>();
        var granted = spec.Process is { } process ? spec with { Process = GrantableCapabilities.Reduce(spec, process, missing) } : spec;
        var container = ContainerLaunch.Run(directory, state, granted, request, cgroup);
        foreach (var capability in missing)
        {
            container.Warn($"capability {capability} cannot be granted, because the runtime does not have it itself");
        }

        return container;
    }

    /// <summary>A container made earlier, by any process.</summary>
    /// <exception cref="RuntimeException">NotFound.</exception>
    public Container Load(string id)
    {
        CheckId(id);
        var directory = $"{StateRoot}/{id}";
        return StateFile.TryRead(directory) is { } state
            ? new Container(directory, state)
            : Directory.Exists(directory)
                ? new Container(directory, Remains(id))
                : throw new RuntimeException(RuntimeError.NotFound, $"container \"{id}\" does not exist");
    }

    public IEnumerable<ContainerState> List()
    {
        if (!Directory.Exists(StateRoot))
        {
            yield break;
        }

        foreach (var directory in Directory.GetDirectories(StateRoot))
        {
            if (StateFile.TryRead(directory) is { } state)
            {
                using var container = new Container(directory, state);
                yield return container.State;
            }
        }
    }

    /// <summary>A directory without a state file: its creator died in the first moment, before there was anything else.</summary>
    private static StateFile Remains(string id) => new()
    {
        OciVersion = Spec.NewestVersion,
        Id = id,
        Bundle = "",
        Rootfs = "",
        Created = "",
        Owner = "",
    };

    internal static byte[] ReadConfiguration(string bundle)
    {
        try
        {
            return Files.ReadAll($"{bundle}/{ConfigName}");
        }
        catch (LinuxException e)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, e.Message, e);
        }
    }

    internal static Spec ParseConfiguration(byte[] bytes, string path)
    {
        try
        {
            return SpecReader.ReadSpec(bytes);
        }
        catch (JsonException e)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"{path} is not a valid configuration: {e.Message}", e);
        }
    }

    internal static void RemoveDirectory(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }

    private static StateFile NewState(CreateRequest request, string bundle, Spec spec, ContainerCgroup cgroup) => new()
    {
        OciVersion = spec.OciVersion,
        Id = request.Id,
        Bundle = bundle,
        Rootfs = RootPath(bundle, spec),
        Created = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture),
        Owner = UserIds.EffectiveName,
        CreatorPid = Environment.ProcessId,
        CreatorStart = ProcessStatus.Of(Environment.ProcessId)?.StartTime ?? 0,
        CgroupPaths = cgroup.Paths,
        Annotations = spec.Annotations,
        SystemdCgroup = request.SystemdCgroup,
    };

    private static string RootPath(string bundle, Spec spec) =>
        Path.TrimEndingDirectorySeparator(Path.GetFullPath(spec.Root?.Path ?? "rootfs", bundle));

    private void MakeStateRoot()
    {
        for (var slash = StateRoot.IndexOf('/', 1); ; slash = StateRoot.IndexOf('/', slash + 1))
        {
            var prefix = slash < 0 ? StateRoot : StateRoot[..slash];
            if (!Files.Exists(prefix))
            {
                Files.MakeDirectory(prefix, slash < 0 ? 0x1c0u : 0x1edu);
            }

            if (slash < 0)
            {
                return;
            }
        }
    }

    private static void CheckId(string id)
    {
        var fine = id.Length is > 0 and <= 1024 && id is not ("." or "..");
        foreach (var c in id)
        {
            fine &= char.IsAsciiLetterOrDigit(c) || c is '_' or '+' or '-' or '.';
        }

        if (!fine)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"invalid container id \"{id}\": letters, digits and _ + - . are allowed");
        }
    }
}
