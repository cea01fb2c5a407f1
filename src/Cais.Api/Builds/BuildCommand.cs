namespace Cais.Api;

/// <summary>A build as <c>cais build</c> asks for it: POST /build/solve. The Dockerfile comes along; files come before, see <see cref="ContextOffer"/>.</summary>
public sealed record BuildCommand
{
    /// <summary>Identifies the build for POST /build/cancel.</summary>
    public string? Id { get; init; }

    /// <summary>The Dockerfile's text; null if it is in the context, which then is an address.</summary>
    public string? Dockerfile { get; init; }

    /// <summary>What messages call it, and where it is in a context that is an address.</summary>
    public string? DockerfileName { get; init; }

    public string? Target { get; init; }

    public IReadOnlyDictionary<string, string>? Arguments { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Contexts by name, the build context's being empty: the token of files sent before (<c>files:TOKEN</c>), an address, or <c>docker-image://NAME</c>.</summary>
    public IReadOnlyDictionary<string, string>? Contexts { get; init; }

    /// <summary>Patterns of the build context's ignore file, for the build checks: what they leave out was not sent.</summary>
    public string? Ignore { get; init; }

    public IReadOnlyDictionary<string, byte[]>? Secrets { get; init; }

    /// <summary>SSH agents that the client has.</summary>
    public IReadOnlyList<string>? Agents { get; init; }

    public IReadOnlyDictionary<string, AuthConfig>? Credentials { get; init; }

    public IReadOnlyList<string>? Platforms { get; init; }

    public bool? NoCache { get; init; }

    public IReadOnlyList<string>? NoCacheFilter { get; init; }

    public bool? Pull { get; init; }

    public string? Network { get; init; }

    public IReadOnlyList<string>? ExtraHosts { get; init; }

    public long? SharedMemory { get; init; }

    /// <summary><c>name=soft[:hard]</c>.</summary>
    public IReadOnlyList<string>? Ulimits { get; init; }

    public string? CgroupParent { get; init; }

    public long? Memory { get; init; }

    public long? MemorySwap { get; init; }

    public long? CpuShares { get; init; }

    public long? CpuPeriod { get; init; }

    public long? CpuQuota { get; init; }

    public string? CpusetCpus { get; init; }

    public string? CpusetMems { get; init; }

    /// <summary><c>network.host</c>, <c>security.insecure</c>.</summary>
    public IReadOnlyList<string>? Allow { get; init; }

    /// <summary><c>type=registry,ref=…</c>, as the flag has it.</summary>
    public IReadOnlyList<string>? CacheFrom { get; init; }

    public IReadOnlyList<string>? CacheTo { get; init; }

    /// <summary><c>type=provenance,mode=max</c>, as the flag has it.</summary>
    public IReadOnlyList<string>? Attestations { get; init; }

    public IReadOnlyList<string>? Annotations { get; init; }

    public IReadOnlyList<BuildOutput>? Outputs { get; init; }

    /// <summary>Only say what the build checks find.</summary>
    public bool? CheckOnly { get; init; }
}

/// <summary>Where a build's result goes.</summary>
public sealed record BuildOutput
{
    /// <summary><c>image</c> (into the store, pushed if it says so), <c>tar</c>, <c>local</c>, <c>oci</c>, <c>docker</c> (an archive) or <c>cacheonly</c>.</summary>
    public required string Type { get; init; }

    /// <summary>By buildx's names: name, push, dest, annotation…</summary>
    public IReadOnlyDictionary<string, string>? Attributes { get; init; }
}

/// <summary>The daemon's answer to a list of files: which of them it lacks.</summary>
public sealed record ContextOffer
{
    public required string Token { get; init; }

    /// <summary>Positions in the list, from 0, in ascending order.</summary>
    public required IReadOnlyList<int> Needed { get; init; }
}
