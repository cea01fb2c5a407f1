using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Threading.Channels;
using Cais.Api;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>The client of one build of <c>cais build</c>: what it sent before and with its command, and what it is asked for in between.</summary>
internal sealed class NativeClient : IBuildClient, IDisposable
{
    private const string FilesPrefix = "files:";
    private const string ArchivePrefix = "archive:";
    private const string ImagePrefix = "docker-image://";

    private readonly CaisEngine _engine;
    private readonly BuildCommand _command;
    private readonly AgentConnections _agents;
    private readonly Dictionary<string, ContextDirectory> _contexts = [];
    private readonly List<IDisposable> _held = [];
    private readonly string _directory;
    private readonly DateTimeOffset _begun;

    private NativeClient(CaisEngine engine, BuildCommand command, AgentConnections agents)
    {
        (_engine, _command, _agents) = (engine, command, agents);
        CacheTo = CacheExchange.ParseAll(command.CacheTo ?? []);
        _directory = Path.Combine(engine.Options.RunDirectory, "builds", "client-" + Guid.NewGuid().ToString("N")[..12]);
        _begun = engine.Time.GetUtcNow();
    }

    /// <summary>Where events go, once the answer has begun.</summary>
    public ChannelWriter<BuildEvent>? Events { get; set; }

    public BuildRequest Request { get; private set; } = null!;

    public IReadOnlyList<CacheExchange> CacheTo { get; }

    /// <summary>Checks the command, and takes or fetches its contexts. Throws <see cref="EngineException"/>.</summary>
    public static async Task<NativeClient> OpenAsync(
        CaisEngine engine, BuildCommand command, AgentConnections agents, ConcurrentDictionary<string, ContextFolder> archives, CancellationToken cancellation)
    {
        var client = new NativeClient(engine, command, agents);
        try
        {
            await client.OpenContextsAsync(archives, cancellation);
            client.Request = client.MakeRequest();
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    public Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation) => _contexts.TryGetValue(name, out var context)
        ? Task.FromResult(context)
        : throw new IOException(name.Length == 0 ? "this build has no context: COPY and ADD have no files to take" : $"there is no build context \"{name}\"");

    public Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) =>
        Task.FromResult(_command.Secrets is not null && _command.Secrets.TryGetValue(id, out var secret) ? (ReadOnlyMemory<byte>?)secret : null);

    public Task<string?> FindAgentAsync(string id, CancellationToken cancellation)
    {
        // Before the answer has begun nobody hears that the client is wanted.
        if (_command.Agents?.Contains(id) != true || Events is null)
        {
            return Task.FromResult<string?>(null);
        }

        Directory.CreateDirectory(_directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var path = Path.Combine(_directory, _held.Count.ToString(CultureInfo.InvariantCulture));
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        _held.Add(listener);
        _ = AcceptAsync(listener, id);
        return Task.FromResult<string?>(path);
    }

    public Task<RegistryCredentials?> FindCredentialsAsync(string registry, CancellationToken cancellation) =>
        Task.FromResult(ClassicBuild.CredentialsFor(_command.Credentials, registry));

    public void Dispose()
    {
        foreach (var held in _held)
        {
            held.Dispose();
        }

        Linux.FileSystem.Trees.Remove(_directory);
    }

    /// <summary>How an image of the result is made: names, annotations and attestations.</summary>
    public ImageExport ExportOf(IReadOnlyList<Reference> names, IReadOnlyDictionary<string, string> attributes, BuildResult result)
    {
        var manifest = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var index = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var annotation in (_command.Annotations ?? []).Concat(attributes.Where(a => a.Key.StartsWith("annotation", StringComparison.Ordinal)).Select(a => Annotation(a.Key, a.Value))))
        {
            var equals = annotation.IndexOf('=', StringComparison.Ordinal);
            var colon = annotation.IndexOf(':', StringComparison.Ordinal);
            var isTyped = colon > 0 && colon < equals && annotation[..colon].Split(',').All(t => t.StartsWith("manifest", StringComparison.Ordinal) || t.StartsWith("index", StringComparison.Ordinal));
            if (equals < 0)
            {
                throw EngineException.InvalidParameter($"invalid annotation \"{annotation}\": expected key=value");
            }

            var types = isTyped ? annotation[..colon] : "manifest";
            var key = isTyped ? annotation[(colon + 1)..equals] : annotation[..equals];
            foreach (var type in types.Split(','))
            {
                (type.StartsWith("index", StringComparison.Ordinal) ? index : manifest)[key] = annotation[(equals + 1)..];
            }
        }

        return new ImageExport
        {
            Names = names,
            Annotations = manifest,
            IndexAnnotations = index,
            InlineCache = CacheTo.Any(c => c.Type == "inline") || Request.Options.Arguments.GetValueOrDefault("BUILDKIT_INLINE_CACHE") is "1" or "true",
            IsIndex = Request.Options.Arguments.GetValueOrDefault("BUILDKIT_MULTI_PLATFORM") is "1" or "true",
            Attestations = BuildAttestations.Of(_engine, [.. BuildAttestations.FromArguments(Request.Options.Arguments), .. _command.Attestations ?? []], result, _begun),
        };
    }

    public async Task PushAsync(IReadOnlyList<Reference> names, EventProgress progress, CancellationToken cancellation)
    {
        foreach (var name in names.Select(n => n.WithDefaultTag()))
        {
            var activity = new ActivityStep($"pushing {name} with Cais");
            progress.Started(activity);
            try
            {
                var credentials = await FindCredentialsAsync(name.Domain, cancellation);
                await _engine.Images.PushAsync(name, new PushOptions { Credentials = credentials, AsStored = true }, new Layers(activity, progress), cancellation);
                progress.Completed(activity, wasCached: false, null);
            }
            catch (Exception e)
            {
                progress.Completed(activity, wasCached: false, e);
                throw;
            }
        }
    }

    public Task ExportCacheAsync(BuildResult result, EventProgress progress, CancellationToken cancellation) =>
        _engine.Builds.ExportCacheAsync(result, CacheTo, this, progress, cancellation);

    private static string Annotation(string key, string value)
    {
        // annotation.KEY, annotation-index.KEY
        var dot = key.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? $"{key}={value}" : key.StartsWith("annotation-", StringComparison.Ordinal) ? $"{key["annotation-".Length..dot]}:{key[(dot + 1)..]}={value}" : $"{key[(dot + 1)..]}={value}";
    }

    private async Task OpenContextsAsync(ConcurrentDictionary<string, ContextFolder> archives, CancellationToken cancellation)
    {
        foreach (var (name, value) in _command.Contexts ?? new Dictionary<string, string>())
        {
            if (value.StartsWith(FilesPrefix, StringComparison.Ordinal))
            {
                var synced = _engine.Builds.Synced.Take(value[FilesPrefix.Length..]);
                _held.Add(synced);
                _contexts[name] = new ContextDirectory(synced.Path, IgnoreFile.Empty, synced.Identity);
            }
            else if (!value.StartsWith(ImagePrefix, StringComparison.Ordinal))
            {
                var folder = value.StartsWith(ArchivePrefix, StringComparison.Ordinal)
                    ? archives.TryRemove(value[ArchivePrefix.Length..], out var sent) ? sent : throw EngineException.NotFound("no such build context")
                    : await _engine.Builds.Remotes.FetchAsync(value, _command.DockerfileName ?? "Dockerfile", RemoteContext.KeepsGitDirectory(_command.Arguments), this, cancellation);
                _held.Add(folder);

                // An ignore file is for directories of the client's: what is in a repository or an archive was chosen.
                _contexts[name] = new ContextDirectory(folder.Path, IgnoreFile.Empty);
                _remote = name.Length == 0 ? folder : _remote;
            }
        }
    }

    private ContextFolder? _remote;

    private BuildRequest MakeRequest()
    {
        var name = _command.DockerfileName ?? "Dockerfile";
        var source = _command.Dockerfile is { } text
            ? new DockerfileSource(name, text)
            : _remote?.Read(name) is { } content
                ? DockerfileSource.FromBytes(name, content)
                : throw EngineException.InvalidParameter($"failed to read dockerfile: open {name}: no such file or directory");
        var allow = _command.Allow ?? [];
        if (allow.FirstOrDefault(a => a is not ("network.host" or "security.insecure")) is { } unknown)
        {
            throw EngineException.InvalidParameter($"invalid entitlement: {unknown}: network.host and security.insecure are known");
        }

        return new BuildRequest
        {
            Id = _command.Id,
            Dockerfile = source,
            Platforms = _command.Platforms is { Count: > 0 } platforms ? [.. platforms.Select(p => ImageEndpoints.PlatformOf(p)!).Distinct()] : [Platform.Current],
            Pull = _command.Pull == true,
            AllowHostNetwork = allow.Contains("network.host"),
            AllowInsecure = allow.Contains("security.insecure"),
            CacheFrom = CacheFrom(),
            Options = new BuildOptions
            {
                Target = _command.Target,
                Arguments = _command.Arguments ?? new Dictionary<string, string>(),
                Labels = _command.Labels ?? new Dictionary<string, string>(),
                NoCache = _command.NoCache == true,
                NoCacheStages = _command.NoCacheFilter ?? [],
                NamedContexts = (_command.Contexts ?? new Dictionary<string, string>()).Where(c => c.Key.Length > 0).ToDictionary(),
                Ignore = _command.Ignore is { } ignore ? IgnoreFile.Parse(ignore) : IgnoreFile.Empty,
                Network = _command.Network switch
                {
                    "none" => RunNetwork.None,
                    "host" => RunNetwork.Host,
                    _ => RunNetwork.Default,
                },
                Surroundings = new RunEnvironment
                {
                    NetworkName = _command.Network is null or "" or "none" or "host" ? null : _command.Network,
                    ExtraHosts = _command.ExtraHosts ?? [],
                    SharedMemory = _command.SharedMemory,
                    Ulimits = _command.Ulimits ?? [],
                    CgroupParent = _command.CgroupParent,
                    Memory = _command.Memory,
                    MemoryAndSwap = _command.MemorySwap,
                    CpuShares = _command.CpuShares,
                    CpuPeriod = _command.CpuPeriod,
                    CpuQuota = _command.CpuQuota,
                    CpuSet = _command.CpusetCpus,
                    MemoryNodes = _command.CpusetMems,
                },
            },
        };
    }

    /// <summary>Directories of the client's that hold a cache have been sent like contexts.</summary>
    private List<CacheExchange> CacheFrom()
    {
        var sources = new List<CacheExchange>();
        foreach (var source in CacheExchange.ParseAll(_command.CacheFrom ?? []))
        {
            if (source.Type != "local")
            {
                sources.Add(source);
                continue;
            }

            var given = source.Attributes.GetValueOrDefault("src") ?? "";
            var synced = given.StartsWith(FilesPrefix, StringComparison.Ordinal)
                ? _engine.Builds.Synced.Take(given[FilesPrefix.Length..])
                : throw EngineException.InvalidParameter("a local cache must be sent before the build");
            _held.Add(synced);
            sources.Add(source with { Attributes = new Dictionary<string, string>(source.Attributes) { ["src"] = synced.Path } });
        }

        return sources;
    }

    private async Task AcceptAsync(Socket listener, string id)
    {
        try
        {
            while (true)
            {
                var connection = _agents.Add(await listener.AcceptAsync());
                Events?.TryWrite(new BuildEvent { Agent = new BuildAgent { Id = id, Connection = connection } });
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The build is over.
        }
    }

    private sealed class Layers(ActivityStep activity, EventProgress progress) : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value)
        {
            if (value.Id is not null)
            {
                progress.Status(activity, $"pushing layer {value.Id}", value.Current, value.Total, isDone: value.Status is "Pushed" or "Layer already exists");
            }
        }
    }
}
