using Cais.Engine.Containers;
using Cais.Linux;

namespace Cais.Engine.Specs;

/// <summary>What a container's runtime specification depends on beside the container itself: what was prepared for this start, and the daemon's defaults.</summary>
internal sealed record SpecOptions
{
    public required HostFacts Host { get; init; }

    public required ProcessUser User { get; init; }

    /// <summary>The container's own directory, with hosts, hostname and resolv.conf.</summary>
    public required string Directory { get; init; }

    /// <summary>Network namespace to join; null for the host's.</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>The container's own host name, empty in the host's UTS namespace.</summary>
    public string Hostname { get; init; } = "";

    /// <summary>What links to other containers add to the environment, below what the user and the image say.</summary>
    public IReadOnlyList<string> LinkEnvironment { get; init; } = [];

    /// <summary>Looks up another container by name or id, for namespaces to share.</summary>
    public Func<string, Container> Find { get; init; } = name => throw EngineException.NotFound($"No such container: {name}");

    /// <summary>Directory in the cgroup tree, with a leading slash.</summary>
    public string CgroupParent { get; init; } = "/cais";

    public SeccompSource Seccomp { get; init; } = new();

    /// <summary>Bytes of /dev/shm for containers that set none.</summary>
    public long ShmSize { get; init; } = 64 << 20;

    public bool NoNewPrivileges { get; init; }

    public IReadOnlyList<Cais.Api.Ulimit> DefaultUlimits { get; init; } = [];

    /// <summary>The init program on the host, for <c>--init</c>.</summary>
    public string? InitPath { get; init; }

    /// <summary>What to bind instead of a mount's own source, by destination.</summary>
    public IReadOnlyDictionary<string, string> Sources { get; init; } = new Dictionary<string, string>();

    /// <summary>The ids of the container's user namespace; null for the host's.</summary>
    public IdMap? Ids { get; init; }

    /// <summary>With <see cref="Ids"/>: the user namespace to join; null for a new one.</summary>
    public string? UserNamespace { get; init; }

    /// <summary>What the container's devices change of its specification.</summary>
    public CdiEdits? Edits { get; init; }

    /// <summary>A directory that shares /dev/shm between containers, when this one does so.</summary>
    public string? SharedMemoryPath { get; init; }
}

/// <summary>The daemon's seccomp profile, resolved once for each set of capabilities.</summary>
internal sealed class SeccompSource
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Cais.Oci.Runtime.Seccomp> _resolved = [];
    private readonly Lazy<SeccompProfile?> _profile;

    /// <param name="setting">The daemon's <c>seccomp-profile</c>: null or <c>builtin</c>, <c>unconfined</c>, or a file.</param>
    public SeccompSource(string? setting = null) => _profile = new(() => setting switch
    {
        null or "" or "builtin" => SeccompProfile.LoadDefault(),
        "unconfined" => null,
        var path => SeccompProfile.Parse(File.ReadAllText(path)),
    });

    public Cais.Oci.Runtime.Seccomp? Resolve(IReadOnlyList<string> capabilities, HostFacts host)
    {
        if (_profile.Value is not { } profile)
        {
            return null;
        }

        var key = string.Join(',', capabilities);
        lock (_gate)
        {
            if (!_resolved.TryGetValue(key, out var resolved))
            {
                _resolved[key] = resolved = profile.Resolve(capabilities, host);
            }

            return resolved;
        }
    }
}
