using System.Globalization;
using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;

namespace Cais.Runtime;

/// <summary>An OCI runtime whose containers' states are below one directory: <c>&lt;root&gt;/&lt;id&gt;/state.json</c>.</summary>
public sealed class OciRuntime(string stateRoot)
{
    internal const string ConfigName = "config.json";

    public string StateRoot { get; } = Path.GetFullPath(stateRoot);

    /// <summary>Makes the container; its program waits for <see cref="Container.Start"/>. Its first process is a child of this one.</summary>
    public Container Create(CreateRequest request)
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
        ResourceDirector? director = null;
        try
        {
            cgroup = ContainerCgroup.For(CgroupLayout.Detect(), spec.Linux?.CgroupsPath, request.Id);
            director = ResourceDirector.Prepare(spec.Linux?.IntelRdt, request.Id);
            var state = NewState(request, bundle, spec, cgroup) with
            {
                ResourceGroups = director?.Groups ?? [],
                ResourceGroupsMade = director?.Made ?? [],
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
            return ContainerLaunch.Run(directory, state, spec, request, cgroup);
        }
        catch (Exception e)
        {
            // Nothing half-made stays behind. If this process dies instead, delete finds the same things through the state file.
            cgroup?.SignalAll(Signals.Kill);
            cgroup?.Delete();
            director?.Remove();
            RemoveDirectory(directory);
            if (e is RuntimeException { Error: RuntimeError.Hook } && cgroup is not null)
            {
                // Hooks that ran may have made something that those of the end take away; what they fail at is no news any more.
                Container.RunPoststop(spec.Hooks, NewState(request, bundle, spec, cgroup));
            }

            throw;
        }
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
