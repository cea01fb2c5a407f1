using Cais.Api;
using Cais.Build.Cache;
using Cais.Linux;

namespace Cais.Engine;

/// <summary>A runtime that containers may ask for by name.</summary>
public sealed record RuntimeChoice
{
    /// <summary>Our own runtime, in the shim's process.</summary>
    public const string BuiltIn = "cais";

    /// <summary>A program with the OCI runtime command line, run by our shim; null for the built-in runtime.</summary>
    public string? Path { get; init; }

    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>A shim by containerd's naming (<c>io.containerd.kata.v2</c>) or by its path, instead of <see cref="Path"/>.</summary>
    public string? Type { get; init; }

    /// <summary>For a shim: the file that configures it, and what kind of file that is.</summary>
    public string? ConfigPath { get; init; }

    public string? TypeUrl { get; init; }

    /// <summary>Instead of <see cref="ConfigPath"/>: what would be in the file.</summary>
    public ReadOnlyMemory<byte> ConfigBody { get; init; }

    /// <summary>For runc's shim: the OCI runtime that it runs.</summary>
    public string? BinaryName { get; init; }

    /// <summary>Where it keeps its state; null for a directory of the engine's.</summary>
    public string? Root { get; init; }

    public bool SystemdCgroup { get; init; }

    public bool NoPivotRoot { get; init; }

    public bool NoNewKeyring { get; init; }
}

/// <summary>What the daemon's configuration says to the engine. Names and defaults are dockerd's unless noted.</summary>
public sealed record EngineOptions
{
    /// <summary>Persistent state.</summary>
    public required string Root { get; init; }

    /// <summary>State that ends with the machine's uptime: sockets, pipes, bundles, namespaces.</summary>
    public required string RunDirectory { get; init; }

    /// <summary>The shim program; null looks beside this program and then in PATH.</summary>
    public string? ShimPath { get; init; }

    /// <summary>The limit of open files that shims, and with them containers, begin with; null for this process's own.</summary>
    public DescriptorLimit? ContainerDescriptors { get; init; }

    /// <summary>Directory in the cgroup tree for containers that name none.</summary>
    public string CgroupParent { get; init; } = "/cais";

    public string DefaultRuntime { get; init; } = RuntimeChoice.BuiltIn;

    public IReadOnlyDictionary<string, RuntimeChoice> Runtimes { get; init; } = new Dictionary<string, RuntimeChoice>();

    public long DefaultShmSize { get; init; } = 64 << 20;

    public bool NoNewPrivileges { get; init; }

    /// <summary>The ids of the user namespace that each container gets (<c>userns-remap</c>); null for containers in the host's.</summary>
    public IdMap? ContainerIds { get; init; }

    /// <summary>Null or <c>builtin</c>, <c>unconfined</c>, or a file.</summary>
    public string? SeccompProfile { get; init; }

    public IReadOnlyList<Ulimit> DefaultUlimits { get; init; } = [];

    /// <summary>Run an init in containers that do not say.</summary>
    public bool Init { get; init; }

    /// <summary>The init program; null looks beside this program.</summary>
    public string? InitPath { get; init; }

    /// <summary>Seconds from the stop signal to the kill.</summary>
    public int DefaultStopTimeout { get; init; } = 10;

    public string LogDriver { get; init; } = "json-file";

    public IReadOnlyDictionary<string, string> LogOptions { get; init; } = new Dictionary<string, string>();

    public string DefaultIpcMode { get; init; } = "private";

    /// <summary><c>private</c> or <c>host</c>; null takes private on cgroup v2 and host on v1.</summary>
    public string? DefaultCgroupNamespaceMode { get; init; }

    /// <summary>Where descriptions of devices are looked for (Container Device Interface); the last directory that has a device wins.</summary>
    public IReadOnlyList<string> CdiDirectories { get; init; } = ["/etc/cdi", "/var/run/cdi"];

    public IReadOnlyList<string> Labels { get; init; } = [];

    public bool Debug { get; init; }

    /// <summary>dockerd's features, by name.</summary>
    public IReadOnlyDictionary<string, bool> Features { get; init; } = new Dictionary<string, bool>();

    public bool Experimental { get; init; }

    /// <summary>When the build cache is made smaller by itself; null for never.</summary>
    public CacheLimits? BuilderGc { get; init; } = CacheLimits.Default;

    /// <summary>How long a build stays in the builder's history in any case; null for the default.</summary>
    public TimeSpan? BuildHistoryAge { get; init; }

    /// <summary>How many builds stay in the builder's history in any case; null for the default.</summary>
    public int? BuildHistoryEntries { get; init; }

    public bool LiveRestore { get; init; }

    public string? HttpProxy { get; init; }

    public string? HttpsProxy { get; init; }

    public string? NoProxy { get; init; }

    /// <summary>Writes how long each phase of a start took to the log.</summary>
    public bool Trace { get; init; }

    public string ContainersDirectory => Path.Combine(Root, "containers");

    public string BundlesDirectory => Path.Combine(RunDirectory, "bundles");

    public string ShimsDirectory => Path.Combine(RunDirectory, "shims");

    /// <summary>Where parts of volumes are mounted while a container is made.</summary>
    public string SubpathsDirectory => Path.Combine(RunDirectory, "subpaths");

    public string PipesDirectory => Path.Combine(RunDirectory, "pipes");
}
