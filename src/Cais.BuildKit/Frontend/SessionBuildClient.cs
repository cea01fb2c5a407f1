using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Files;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Cais.Engine.Builds;
using Cais.Images;

namespace Cais.BuildKit.Frontend;

/// <summary>The client at the other end of a session, as the build service knows it: gives files, secrets, agents and credentials for one solve.</summary>
internal sealed class SessionBuildClient(
    BuildJob job, SessionRegistry sessions, ContextStore contexts, RemoteContext remotes, FrontendAttributes attributes, string scratch) : IBuildClient, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly List<IDisposable> _held = [];
    private readonly Dictionary<string, Task<string?>> _agents = [];
    private readonly Dictionary<string, SortedSet<string>> _paths = [];

    /// <summary>The build context where it is not a local directory of the client.</summary>
    public string? RemoteContext { get; set; }

    public IgnoreFile Ignore { get; set; } = IgnoreFile.Empty;

    /// <summary>Where the client's local directories are, by the names of contexts that are such.</summary>
    public Dictionary<string, string> LocalContexts { get; } = [];

    /// <summary>Addresses of contexts that are behind one, by their names.</summary>
    public Dictionary<string, string> RemoteContexts { get; } = [];

    public async Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation)
    {
        if (name.Length == 0 && RemoteContext is { } remote)
        {
            return new ContextDirectory(remote, Ignore);
        }

        if (RemoteContexts.TryGetValue(name, out var address))
        {
            return await job.Progress.ShowAsync($"[context {name}] {address}", async _ =>
            {
                var folder = await remotes.FetchAsync(address, attributes.FileName, attributes.KeepsGitDirectory, this, cancellation);
                Hold(folder);
                return new ContextDirectory(folder.Path, IgnoreFile.Empty);
            });
        }

        var directory = name.Length == 0 ? attributes.ContextDirectory
            : LocalContexts.TryGetValue(name, out var local) ? local : throw new IOException($"there is no context named {name}");
        var ignore = name.Length == 0 ? Ignore : await IgnoreOfAsync(directory, cancellation);
        var step = new ContextStep(name, name.Length == 0 ? "[internal] load build context" : $"[context {name}] load from client");
        job.Progress.Started(step);
        try
        {
            var received = await ReceiveAsync(
                directory,
                "",
                new FileSelection { Exclude = [.. ignore.Patterns], Follow = PathsOf(name) },
                bytes => job.Progress.Status(step, "transferring context:", bytes, 0, isDone: false),
                cancellation);
            job.Progress.Status(step, "transferring context:", received.Bytes, 0, isDone: true);
            job.Progress.Completed(step, wasCached: false, null);
            return new ContextDirectory(received.Path, IgnoreFile.Empty, received.Identity);
        }
        catch (Exception e)
        {
            job.Progress.Completed(step, wasCached: false, e);
            throw;
        }
    }

    /// <summary>A plan says which paths of the contexts it reads: no others need to come here.</summary>
    public void Expect(BuildPlan plan)
    {
        lock (_held)
        {
            foreach (var step in plan.Steps())
            {
                switch (step)
                {
                    case CopyStep copy:
                        foreach (var source in copy.Sources.Where(s => s.Root is ContextStep))
                        {
                            Add((ContextStep)source.Root!, source.Path);
                        }

                        break;
                    case RunStep run:
                        foreach (var mount in run.Mounts.Where(m => m.From is ContextStep))
                        {
                            Add((ContextStep)mount.From!, mount.Mount.Source ?? "/");
                        }

                        break;
                }
            }
        }

        void Add(ContextStep context, string path)
        {
            if (!_paths.TryGetValue(context.Context, out var paths))
            {
                _paths[context.Context] = paths = [];
            }

            paths.Add(Path.GetFullPath(path, "/")[1..]);
        }
    }

    public async Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) =>
        job.Session is { } session ? await session.FindSecretAsync(id, cancellation) : null;

    public Task<string?> FindAgentAsync(string id, CancellationToken cancellation)
    {
        if (job.Session is not { } session)
        {
            return Task.FromResult<string?>(null);
        }

        lock (_agents)
        {
            if (!_agents.TryGetValue(id, out var opening))
            {
                _agents[id] = opening = OpenAgentAsync(session, id, _agents.Count, cancellation);
            }

            return opening;
        }
    }

    public Task<RegistryCredentials?> FindCredentialsAsync(string registry, CancellationToken cancellation) =>
        new ClientCredentials(job.Session).FindCredentialsAsync(registry, cancellation);

    /// <summary>
    /// Brings some of the files of a directory of the client. What the directory is called at the client's, and <paramref name="part"/> where only that of it is brought, tell which
    /// files are here from before.
    /// </summary>
    public Task<ReceivedFiles> ReceiveAsync(string directory, string part, FileSelection selection, Action<long> received, CancellationToken cancellation) =>
        ReceiveAsync(directory, attributes.SessionOf(directory) ?? "", part, selection, received, cancellation);

    /// <param name="owner">The session that has the directory; empty for the build's own.</param>
    public async Task<ReceivedFiles> ReceiveAsync(
        string directory, string owner, string part, FileSelection selection, Action<long> received, CancellationToken cancellation)
    {
        var session = job.Session ?? throw new GrpcException(GrpcStatusCode.FailedPrecondition, "the build needs files of the client, and there is no session to get them by");
        if (owner.Length > 0 && owner != session.Id)
        {
            session = await sessions.FindAsync(owner, Patience, cancellation);
        }

        var lease = contexts.Rent(session.SharedKey.Length > 0 ? $"{session.SharedKey}\0{directory}\0{part}" : "");
        Hold(lease);
        return await FileSync.ReceiveAsync(session, directory, selection, lease.Path, received, cancellation);
    }

    public void Dispose()
    {
        lock (_held)
        {
            foreach (var held in _held)
            {
                held.Dispose();
            }

            _held.Clear();
        }
    }

    /// <summary>The paths of a context that are read; none for all of it.</summary>
    private IReadOnlyList<string> PathsOf(string context)
    {
        lock (_held)
        {
            return _paths.TryGetValue(context, out var paths) && !paths.Contains("") ? [.. paths] : [];
        }
    }

    private async Task<IgnoreFile> IgnoreOfAsync(string directory, CancellationToken cancellation)
    {
        var files = await ReceiveAsync(directory, ".dockerignore", FileSelection.Of([".dockerignore"]), _ => { }, cancellation);
        return FileSync.ReadSmall(files.Path, ".dockerignore", 1 << 20) is { } content ? IgnoreFile.Parse(content) : IgnoreFile.Empty;
    }

    private async Task<string?> OpenAgentAsync(Session session, string id, int number, CancellationToken cancellation)
    {
        Directory.CreateDirectory(scratch);
        var socket = await AgentSocket.OpenAsync(session, id, Path.Combine(scratch, $"{Guid.NewGuid():N}"[..12] + $"-{number}.sock"), cancellation);
        if (socket is not null)
        {
            Hold(socket);
        }

        return socket?.Path;
    }

    /// <summary>Disposes of something together with this.</summary>
    public void Hold(IDisposable held)
    {
        lock (_held)
        {
            _held.Add(held);
        }
    }
}
