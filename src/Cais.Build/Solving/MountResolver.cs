using Cais.Build.Cache;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>Turns a RUN step's mounts into what the executor mounts, and holds what they need until the step is over.</summary>
internal sealed class MountResolver(
    StepRunner runner,
    IBuildInputs inputs,
    CacheMounts caches,
    IReadOnlyDictionary<Digest, StepResult> results,
    Func<ContextStep, Task<ContextDirectory>> contexts,
    string scratch) : IDisposable
{
    private const uint DirectoryMode = 0x1ED;
    private const uint SecretMode = 0x100;
    private const uint SocketMode = 0x180;

    private readonly List<CacheLease> _leases = [];
    private int _agents;

    public List<MountRequest> Requests { get; } = [];

    /// <summary>Variables that mounts bring: secrets, SSH_AUTH_SOCK.</summary>
    public List<string> Variables { get; } = [];

    /// <param name="output">Takes what the command writes there, if that is a result.</param>
    public async Task AddAsync(StepMount step, NewLayer? output, CancellationToken cancellation)
    {
        var mount = step.Mount;
        switch (mount.Kind)
        {
            case MountKind.Bind:
                await AddBindAsync(step, output).ConfigureAwait(false);
                break;
            case MountKind.Cache:
                var lease = await caches.TakeAsync(step.CacheId!, mount.Sharing, mount.Mode ?? DirectoryMode, mount.Uid ?? 0, mount.Gid ?? 0, await SeedAsync(step, cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false);
                _leases.Add(lease);
                Requests.Add(new HostMount(step.Target, lease.Path, mount.IsReadOnly));
                break;
            case MountKind.Tmpfs:
                Requests.Add(new TmpfsMount(step.Target, mount.Size));
                break;
            case MountKind.Secret:
                await AddSecretAsync(step, cancellation).ConfigureAwait(false);
                break;
            case MountKind.Ssh:
                await AddAgentAsync(step, cancellation).ConfigureAwait(false);
                break;
        }
    }

    public void Dispose()
    {
        // In reverse: the order in which locks were taken.
        for (var i = _leases.Count - 1; i >= 0; i--)
        {
            _leases[i].Dispose();
        }

        Linux.FileSystem.Trees.Remove(scratch);
    }

    /// <summary>What a cache that is not there yet begins with: a directory of a stage, context or image.</summary>
    private async Task<Action<string>?> SeedAsync(StepMount step, CancellationToken cancellation)
    {
        if (step.From is not { } from)
        {
            return null;
        }

        IReadOnlyList<string> layers = from is ContextStep context ? [(await contexts(context).ConfigureAwait(false)).Path] : from is ScratchStep ? [] : runner.LayersOf(results[from.Digest]);
        return layers.Count == 0 ? null : directory =>
        {
            using var source = Files.RootDirectory.OpenLayers(layers);
            using var target = Files.RootDirectory.Open(directory);
            new Files.FileCopier(
                new Files.SourceSelection(source, Patterns.IgnoreFile.Empty, Patterns.IgnoreFile.Empty), target, new Files.CopyLook(null, null, null), cancellation)
                .Copy(Patterns.GoPath.Rooted(step.Mount.Source ?? "/")[1..], "/");
        };
    }

    private async Task AddBindAsync(StepMount step, NewLayer? output)
    {
        var path = Patterns.GoPath.Rooted(step.Mount.Source ?? "/");
        IReadOnlyList<string> lower = step.From is ContextStep context
            ? [(await contexts(context).ConfigureAwait(false)).Path]
            : [.. runner.LayersOf(results[step.From!.Digest]).Reverse()];
        string? upper = null;
        string? work = null;
        if (output is not null)
        {
            (upper, work) = (output.UpperDirectory, output.WorkDirectory);
        }
        else if (!step.Mount.IsReadOnly)
        {
            var directory = Path.Combine(scratch, Requests.Count.ToString(System.Globalization.CultureInfo.InvariantCulture));
            (upper, work) = (Path.Combine(directory, "fs"), Path.Combine(directory, "work"));
            Directory.CreateDirectory(upper);
            Directory.CreateDirectory(work);
        }

        Requests.Add(new LayersMount(step.Target, lower, path, upper, work));
    }

    private async Task AddSecretAsync(StepMount step, CancellationToken cancellation)
    {
        var mount = step.Mount;
        var id = mount.Id ?? mount.Source ?? Patterns.GoPath.Base(step.Target);
        if (await inputs.FindSecretAsync(id, cancellation).ConfigureAwait(false) is not { } content)
        {
            if (mount.Required)
            {
                throw new IOException($"secret {id}: not found");
            }

            return;
        }

        if (mount.Variable is { } variable)
        {
            Variables.Add($"{variable}={System.Text.Encoding.UTF8.GetString(content.Span)}");
        }

        if (step.Target.Length > 0)
        {
            Requests.Add(new FileMount(step.Target, content, mount.Mode ?? SecretMode, mount.Uid ?? 0, mount.Gid ?? 0));
        }
    }

    private async Task AddAgentAsync(StepMount step, CancellationToken cancellation)
    {
        var id = string.IsNullOrEmpty(step.Mount.Id) ? "default" : step.Mount.Id;
        var socket = await inputs.FindAgentAsync(id, cancellation).ConfigureAwait(false);
        if (socket is null)
        {
            if (step.Mount.Required)
            {
                throw new IOException($"unset ssh forward key {id}");
            }

            return;
        }

        var target = step.Target.Length > 0 ? step.Target : $"/run/buildkit/ssh_agent.{_agents}";
        Requests.Add(new SocketMount(target, socket, step.Mount.Mode ?? SocketMode, step.Mount.Uid ?? 0, step.Mount.Gid ?? 0));
        if (_agents++ == 0)
        {
            Variables.Add($"SSH_AUTH_SOCK={target}");
        }
    }
}
