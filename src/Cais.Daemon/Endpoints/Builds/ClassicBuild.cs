using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Cais.Api;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>POST /build, version 1: a context in the body or at an address, parameters in the query, progress as lines of JSON.</summary>
internal sealed class ClassicBuild(CaisEngine engine, ApiRequest request) : IBuildClient
{
    private ContextDirectory? _context;
    private IReadOnlyDictionary<string, AuthConfig>? _credentials;
    private byte[]? _dockerfile;

    public async Task RunAsync()
    {
        Refuse();
        var names = request.QueryAll("t").Select(ImageEndpoints.ReferenceOf).ToList();
        if (names.Find(n => n.Digest is not null) is not null)
        {
            throw EngineException.InvalidParameter("build tag cannot contain a digest");
        }

        _credentials = Credentials();
        var file = request.Query("dockerfile") ?? "Dockerfile";
        using var folder = await ReceiveAsync(file);
        var build = new BuildRequest
        {
            Dockerfile = Dockerfile(folder, ref file),
            Options = Options(),
            Platforms = [ImageEndpoints.PlatformOf(request.Query("platform")) ?? Platform.Current],
            Pull = request.Flag("pull"),
            AllowHostNetwork = true,
            CacheFrom = CacheFrom(),
            Id = request.Query("buildid"),
        };
        _context = new ContextDirectory(folder.Path, IgnoreFile.Empty);

        // A wrong file is a wrong request: it is said before the stream begins.
        Parse(build.Dockerfile);
        await StreamAsync(build, names);
    }

    public Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation) =>
        name.Length == 0 ? Task.FromResult(_context!) : throw new IOException($"there is no build context \"{name}\"");

    public Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) => Task.FromResult<ReadOnlyMemory<byte>?>(null);

    public Task<string?> FindAgentAsync(string id, CancellationToken cancellation) => Task.FromResult<string?>(null);

    public Task<RegistryCredentials?> FindCredentialsAsync(string registry, CancellationToken cancellation) => Task.FromResult(CredentialsFor(_credentials, registry));

    /// <summary>A registry's entry of the client's configuration, where Docker Hub goes by its old address.</summary>
    internal static RegistryCredentials? CredentialsFor(IReadOnlyDictionary<string, AuthConfig>? all, string registry)
    {
        if (all is null)
        {
            return null;
        }

        foreach (var (name, auth) in all)
        {
            var host = name.Contains("://", StringComparison.Ordinal) ? name[(name.IndexOf("://", StringComparison.Ordinal) + 3)..] : name;
            host = host.Split('/')[0];
            if (host == registry || (registry == Reference.DefaultDomain && host is "index.docker.io" or "registry-1.docker.io"))
            {
                return RegistryAuth.From(auth);
            }
        }

        return null;
    }

    private static void Parse(DockerfileSource source)
    {
        try
        {
            Cais.Build.Language.Dockerfile.Parse(source);
        }
        catch (DockerfileException e)
        {
            throw EngineException.InvalidParameter(Describe(e));
        }
    }

    private static string Describe(DockerfileException e) => e.Excerpt.Length > 0 ? $"{e.Message}\n{e.Excerpt}" : e.Message;

    private void Refuse()
    {
        if (request.Query("version") is { } version && version != "1")
        {
            throw EngineException.InvalidParameter(version == "2"
                ? "POST /build has no BuildKit sessions: use a client that speaks BuildKit's API (buildx), or version 1"
                : $"invalid version {version}");
        }

        if (request.Flag("squash"))
        {
            throw EngineException.InvalidParameter("squash is not supported: use a multi-stage build, whose last stage copies the finished files");
        }

        if (request.Query("securityopt") is { } options && options is not ("null" or "[]"))
        {
            throw EngineException.InvalidParameter("The daemon on this platform does not support setting security options on build");
        }

        if (request.Query("outputs") is { } outputs && outputs is not ("null" or "[]"))
        {
            throw EngineException.InvalidParameter("outputs need BuildKit's API: use buildx, or cais build --output");
        }

        if (request.Query("isolation") is { } isolation && isolation != "default")
        {
            throw EngineException.InvalidParameter($"invalid isolation \"{isolation}\": on Linux there is only default");
        }
    }

    private async Task<ContextFolder> ReceiveAsync(string dockerfile)
    {
        if (request.Query("remote") is { } remote && remote != "client-session")
        {
            var fetched = await engine.Builds.Remotes.FetchAsync(remote, dockerfile, keepGitDirectory: false, null, request.Gone);
            if (fetched.Read(".dockerignore") is { } ignore)
            {
                fetched.Prune(IgnoreFile.Parse(Encoding.UTF8.GetString(ignore)).Keeping(dockerfile, ".dockerignore"));
            }

            return fetched;
        }

        var folder = await engine.Builds.Contexts.UnpackAsync(request.BodyStream, request.Gone);

        // Clients send these two whatever the ignore file says, because they are needed here; instructions must not see them then.
        if (folder.Read(".dockerignore") is { } rules && IgnoreFile.Parse(rules) is var ignored)
        {
            _dockerfile = folder.Read(dockerfile);
            foreach (var name in new[] { ".dockerignore", dockerfile }.Where(n => ignored.IsIgnored(n)))
            {
                folder.Remove(name);
            }
        }

        return folder;
    }

    private DockerfileSource Dockerfile(ContextFolder folder, ref string name)
    {
        var content = _dockerfile ?? folder.Read(name);
        if (content is null && name == "Dockerfile")
        {
            content = folder.Read(name = "dockerfile");
        }

        return content is null
            ? throw EngineException.System($"Cannot locate specified Dockerfile: {(name == "dockerfile" ? "Dockerfile" : name)}")
            : content.Length == 0
                ? throw EngineException.InvalidParameter($"the Dockerfile ({name}) cannot be empty")
                : DockerfileSource.FromBytes(name, content);
    }

    private BuildOptions Options()
    {
        var network = request.Query("networkmode");
        return new BuildOptions
        {
            Target = request.Query("target"),
            Arguments = Map("buildargs"),
            Labels = Map("labels"),
            NoCache = request.Flag("nocache"),
            Network = network switch
            {
                "none" => RunNetwork.None,
                "host" => RunNetwork.Host,
                _ => RunNetwork.Default,
            },
            Surroundings = new RunEnvironment
            {
                NetworkName = network is null or "none" or "host" ? null : network,
                ExtraHosts = ExtraHosts(),
                SharedMemory = Number("shmsize"),
                Ulimits = Ulimits(),
                Memory = Number("memory"),
                MemoryAndSwap = Number("memswap"),
                CpuShares = Number("cpushares"),
                CpuPeriod = Number("cpuperiod"),
                CpuQuota = Number("cpuquota"),
                CpuSet = request.Query("cpusetcpus"),
                MemoryNodes = request.Query("cpusetmems"),
                CgroupParent = request.Query("cgroupparent"),
            },
        };
    }

    /// <summary>Images whose cache may be used: a JSON list of names.</summary>
    private IReadOnlyList<CacheExchange> CacheFrom()
    {
        try
        {
            return request.Query("cachefrom") is { } text ? CacheExchange.ParseAll(JsonSerializer.Deserialize(text, ApiJson.Default.IReadOnlyListString) ?? []) : [];
        }
        catch (JsonException)
        {
            throw EngineException.InvalidParameter("cachefrom must be a JSON list of names");
        }
    }

    /// <summary>A JSON object of names and values; a null is a name that the client has no value for.</summary>
    private Dictionary<string, string> Map(string name)
    {
        try
        {
            return request.Query(name) is { } text
                ? (JsonSerializer.Deserialize(text, ApiJson.Default.DictionaryStringString) ?? []).Where(p => p.Value is not null).ToDictionary()
                : [];
        }
        catch (JsonException)
        {
            throw EngineException.InvalidParameter($"error reading build args: {name} must be a JSON object of strings");
        }
    }

    private IReadOnlyList<string> ExtraHosts()
    {
        var values = request.QueryAll("extrahosts");
        return values is [var only] && only.StartsWith('[') ? JsonSerializer.Deserialize(only, ApiJson.Default.IReadOnlyListString) ?? [] : values;
    }

    private IReadOnlyList<string> Ulimits()
    {
        try
        {
            return request.Query("ulimits") is { } text && JsonSerializer.Deserialize(text, ApiJson.Default.IReadOnlyListUlimit) is { } limits
                ? [.. limits.Select(u => string.Create(CultureInfo.InvariantCulture, $"{u.Name}={u.Soft ?? 0}:{u.Hard ?? u.Soft ?? 0}"))]
                : [];
        }
        catch (JsonException)
        {
            throw EngineException.InvalidParameter("error reading ulimit settings");
        }
    }

    private long? Number(string name) => request.Query(name) switch
    {
        null or "0" => null,
        var text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
        var text => throw EngineException.InvalidParameter($"{name}: \"{text}\" is no number"),
    };

    private IReadOnlyDictionary<string, AuthConfig>? Credentials()
    {
        var header = request.Http.Request.Headers["X-Registry-Config"].ToString();
        if (header.Length == 0)
        {
            return null;
        }

        try
        {
            var base64 = header.Replace('-', '+').Replace('_', '/').TrimEnd('=');
            return JsonSerializer.Deserialize(
                Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '=')), ApiJson.Default.IReadOnlyDictionaryStringAuthConfig);
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            // Docker ignores what it cannot read here, and so the registries that want no login still work.
            return null;
        }
    }

    private async Task StreamAsync(BuildRequest build, List<Reference> names)
    {
        var quiet = request.Flag("q");
        var lines = Channel.CreateUnbounded<ProgressMessage>(new UnboundedChannelOptions { SingleReader = true });
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(request.Gone);
        var progress = new ClassicProgress(lines.Writer, quiet);
        var working = WorkAsync(build, names, progress, lines.Writer, gone.Token);
        var writer = await request.Stream("application/json");
        await foreach (var line in lines.Reader.ReadAllAsync())
        {
            if (!await Lines.Write(writer, line, ApiJson.Default.ProgressMessage))
            {
                await gone.CancelAsync();
                break;
            }
        }

        await working;
    }

    private async Task WorkAsync(BuildRequest build, List<Reference> names, ClassicProgress progress, ChannelWriter<ProgressMessage> lines, CancellationToken cancellation)
    {
        try
        {
            await Task.Yield();
            build = build with { Planned = plan => progress.Begin(plan, build.Dockerfile!) };
            using var result = await engine.Builds.SolveAsync(build, this, progress, cancellation);
            progress.End();
            var image = await engine.Builds.Exporter.StoreAsync(result, new ImageExport { Names = names, InlineCache = build.Options.Arguments.GetValueOrDefault("BUILDKIT_INLINE_CACHE") is "1" or "true" }, progress, cancellation);
            progress.Say(Unused(build));
            lines.TryWrite(new ProgressMessage { Aux = JsonSerializer.SerializeToElement(new Dictionary<string, string> { ["ID"] = image.Id.ToString() }, ApiJson.Default.DictionaryStringString) });
            if (progress.IsQuiet)
            {
                lines.TryWrite(new ProgressMessage { Stream = image.Id + "\n" });
                return;
            }

            progress.Say($"Successfully built {image.Id.Short}\n");
            foreach (var name in names)
            {
                progress.Say($"Successfully tagged {name.WithDefaultTag().Familiar}\n");
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Nobody is listening.
        }
        catch (StepFailedException e)
        {
            progress.Fail(e);
            var message = e is { ExitCode: not null, Step: RunStep run }
                ? string.Create(CultureInfo.InvariantCulture, $"The command '{string.Join(' ', run.Arguments)}' returned a non-zero code: {e.ExitCode}")
                : e.Message;
            Error(lines, message, e.ExitCode);
        }
        catch (Exception e) when (e is DockerfileException or ImageException or EngineException or IOException or Linux.LinuxException)
        {
            Error(lines, e is DockerfileException wrong ? Describe(wrong) : e.Message, null);
        }
        finally
        {
            lines.TryComplete();
        }
    }

    private static void Error(ChannelWriter<ProgressMessage> lines, string message, int? code) =>
        lines.TryWrite(new ProgressMessage { Error = message, ErrorDetail = new ProgressError { Code = code, Message = message } });

    /// <summary>Docker's warning of build arguments that no ARG takes.</summary>
    private static string Unused(BuildRequest build)
    {
        var declared = Cais.Build.Language.Dockerfile.Parse(build.Dockerfile!).Instructions.OfType<ArgInstruction>().SelectMany(a => a.Arguments).Select(a => a.Name.Value).ToHashSet();
        var unused = build.Options.Arguments.Keys.Where(a => !declared.Contains(a) && !BuildArguments.IsPredefined(a)).Order(StringComparer.Ordinal).ToList();
        return unused.Count == 0 ? "" : $"[Warning] One or more build-args [{string.Join(' ', unused)}] were not consumed\n";
    }
}
