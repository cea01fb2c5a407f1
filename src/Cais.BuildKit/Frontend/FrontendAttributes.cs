using System.Globalization;
using System.Text.Json;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Build.Graph;
using Cais.BuildKit.Grpc;
using Cais.Engine.Builds;
using Cais.Oci.Images;

namespace Cais.BuildKit.Frontend;

/// <summary>The options of the Dockerfile frontend, by the names that BuildKit's clients give them.</summary>
internal sealed class FrontendAttributes
{
    private readonly IReadOnlyDictionary<string, string> _values;

    public FrontendAttributes(IReadOnlyDictionary<string, string> values) => _values = values;

    public string FileName => Value("filename") ?? "Dockerfile";

    /// <summary>The local directory that has the Dockerfile, as the client calls it.</summary>
    public string DockerfileDirectory => Value("dockerfilekey") ?? "dockerfile";

    /// <summary>Whether the Dockerfile is somewhere else than in a context that is not local.</summary>
    public bool HasDockerfileDirectory => Value("dockerfilekey") is not null;

    /// <summary>The local directory that is the build context, as the client calls it.</summary>
    public string ContextDirectory => Value("contextkey") ?? "context";

    /// <summary>A URL, if the build context is not local.</summary>
    public string? RemoteContext => Value("context");

    /// <summary>Where in a context that is not local the build begins.</summary>
    public string? ContextSubdirectory => Value("contextsubdir");

    /// <summary>Whether contexts that are repositories keep their directory <c>.git</c>.</summary>
    public bool KeepsGitDirectory => Engine.Builds.RemoteContext.KeepsGitDirectory(WithPrefix("build-arg:"));

    /// <summary>What the client cannot do without and is not there, or null.</summary>
    public string? MissingCapability => List("frontend.caps").Select(c => c.Split('+')[0])
        .FirstOrDefault(c => c is not ("moby.buildkit.frontend.inputs" or "moby.buildkit.frontend.subrequests" or "moby.buildkit.frontend.contexts"
            or "moby.buildkit.frontend.gitquerystring"));

    /// <summary>What else than a build is asked for: <c>frontend.lint</c>.</summary>
    public string? Subrequest => Value("requestid");

    /// <summary>
    /// The frontend that a Dockerfile or the client asks for, an image and its arguments, if it is another than docker's own, which is built in. Null too for a frontend that has been asked for
    /// already and comes back to this one.
    /// </summary>
    public string? ForeignSyntax(DockerfileSource dockerfile)
    {
        if (Value("cmdline") is not null)
        {
            return null;
        }

        var syntax = Value("build-arg:BUILDKIT_SYNTAX") ?? Dockerfile.SyntaxOf(dockerfile);
        if (syntax is null)
        {
            return null;
        }

        return Reference.TryParse(syntax.Split(' ')[0], out var name) && name.ToString().Split(':', '@')[0] is "docker.io/docker/dockerfile" or "docker.io/docker/dockerfile-upstream"
            ? null
            : syntax;
    }

    public bool Pull => Value("image-resolve-mode") == "pull";

    public IReadOnlyList<Platform> Platforms
    {
        get
        {
            var platforms = List("platform").Select(ParsePlatform).Distinct().ToList();
            return platforms.Count > 0 ? platforms : [Platform.Current];
        }
    }

    /// <summary>Whether the result is to be an index even if it is for one platform.</summary>
    public bool IsMultiPlatform => Platforms.Count > 1 || Boolean("multi-platform") || Boolean("build-arg:BUILDKIT_MULTI_PLATFORM");

    /// <summary>Named contexts: <c>docker-image://…</c>, <c>local:…</c>, <c>input:…</c>, URLs. A name may end in <c>::platform</c>.</summary>
    public IReadOnlyDictionary<string, string> NamedContexts => WithPrefix("context:");

    /// <summary>
    /// Statements asked for, as <c>--attest</c> writes them. buildx asks for provenance without being told to, wherever it costs no output of its own (<c>inline-only</c>); such
    /// statements have times in them, so that no two builds of the same would give the same image: they are made for those who ask for them.
    /// </summary>
    public IReadOnlyList<string> Attestations => [.. BuildAttestations.FromArguments(WithPrefix("build-arg:")), .. WithPrefix("attest:")
        .Where(a => !a.Value.Contains("inline-only=true", StringComparison.Ordinal))
        .Select(a => string.Join(',', [$"type={a.Key}", .. a.Value.Split(',').Where(f => f.Length > 0 && !f.StartsWith("type=", StringComparison.Ordinal))]))];

    /// <summary>Caches to use: <c>cache-imports</c> is JSON, <c>cache-from</c> its predecessor, a list of images.</summary>
    public IReadOnlyList<CacheExchange> CacheFrom
    {
        get
        {
            var sources = List("cache-from").Select(r => new CacheExchange("registry", new Dictionary<string, string> { ["ref"] = r })).ToList();
            if (Value("cache-imports") is not { } text)
            {
                return sources;
            }

            try
            {
                using var json = JsonDocument.Parse(text);
                foreach (var entry in json.RootElement.EnumerateArray())
                {
                    var type = entry.TryGetProperty("Type", out var t) ? t.GetString() ?? "" : "";
                    var attributes = entry.TryGetProperty("Attrs", out var a) && a.ValueKind == JsonValueKind.Object
                        ? a.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString() ?? "")
                        : [];
                    sources.Add(new CacheExchange(type, attributes));
                }

                return sources;
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                throw new GrpcException(GrpcStatusCode.InvalidArgument, $"failed to unmarshal cache-imports: {e.Message}", e);
            }
        }
    }

    /// <summary>The session that has a local directory, if it is not the build's own: several builds of one client may share one.</summary>
    public string? SessionOf(string directory) => Value("local-sessionid:" + directory);

    /// <summary>The build's options. Named contexts and the ignore file are added by who knows them. Throws <see cref="GrpcException"/>.</summary>
    public BuildOptions ToOptions() => new()
    {
        Target = Value("target"),
        Arguments = WithPrefix("build-arg:"),
        Labels = WithPrefix("label:"),
        NoCache = _values.TryGetValue("no-cache", out var noCache) && noCache.Length == 0,
        NoCacheStages = List("no-cache"),
        Network = Value("force-network-mode") switch
        {
            null or "sandbox" or "default" => RunNetwork.Default,
            "host" => RunNetwork.Host,
            "none" => RunNetwork.None,
            var other => throw Invalid($"invalid network mode {other}: expected host, none or sandbox"),
        },
        Surroundings = new RunEnvironment
        {
            ExtraHosts = [.. List("add-hosts").Select(ParseHost)],
            Hostname = Value("hostname"),
            SharedMemory = Number("shm-size"),
            Ulimits = [.. List("ulimit")],
            CgroupParent = Value("cgroup-parent"),
            Memory = Number("memory"),
            MemoryAndSwap = Number("memswap"),
            CpuShares = Number("cpushares"),
            CpuPeriod = Number("cpuperiod"),
            CpuQuota = Number("cpuquota"),
            CpuSet = Value("cpusetcpus"),
            MemoryNodes = Value("cpusetmems"),
        },
    };

    private string? Value(string name) => _values.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

    private bool Boolean(string name) => Value(name) is { } text && text is "1" or "t" or "T" or "true" or "TRUE" or "True";

    private long? Number(string name) => Value(name) switch
    {
        null => null,
        var text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
        var text => throw Invalid($"invalid {name}: \"{text}\" is no number"),
    };

    private string[] List(string name) => Value(name)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    private Dictionary<string, string> WithPrefix(string prefix) =>
        _values.Where(v => v.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(v => v.Key[prefix.Length..], v => v.Value);

    private static string ParseHost(string entry)
    {
        var parts = entry.Split('=', 2);
        return parts.Length == 2 && parts[0].Length > 0 && System.Net.IPAddress.TryParse(parts[1].Trim('[', ']'), out var address)
            ? $"{parts[0]}:{address}"
            : throw Invalid($"invalid additional host \"{entry}\": expected name=address");
    }

    private static Platform ParsePlatform(string text)
    {
        try
        {
            return Platform.Parse(text).Normalized();
        }
        catch (ImageFormatException e)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"invalid platform \"{text}\": {e.Message}", e);
        }
    }

    private static GrpcException Invalid(string message) => new(GrpcStatusCode.InvalidArgument, message);
}
