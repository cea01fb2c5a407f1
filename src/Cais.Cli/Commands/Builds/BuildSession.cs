using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cais.Api;
using Cais.Build.Patterns;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Configuration;
using Cais.Cli.Values;
using Cais.Client;
using Cais.Oci;

namespace Cais.Cli.Commands.Builds;

/// <summary>One build: sends what the daemon lacks, gives the command, shows what happens, and fetches what is for this machine.</summary>
internal sealed class BuildSession(CommandContext context, BuildSources sources, IReadOnlyList<BuildOutput> outputs, BuildDisplay display)
{
    private const int LargestSecret = 500 * 1024;

    private readonly Session _session = context.Session;
    private readonly List<Task> _receiving = [];
    private readonly List<BuildWarning> _warnings = [];
    private readonly Dictionary<string, string> _agents = [];
    private int _own;
    private BuildImage? _image;
    private BuildFailure? _failure;

    public async Task<int> RunAsync(bool checkOnly, CancellationToken cancellation)
    {
        BuildCommand command;
        try
        {
            command = await CommandAsync(checkOnly, cancellation).ConfigureAwait(false);
        }
        catch (EngineApiException e) when (e.Status == 404 && !checkOnly)
        {
            // Another engine than ours: what every engine has is the classic builder.
            return await new ClassicSession(context, sources, outputs).RunAsync(Arguments(), cancellation).ConfigureAwait(false);
        }

        using var response = await _session.Engine.SendAsync(
            new EngineRequest("POST", "/build/solve") { Body = PlainJson.Bytes(command, ApiJson.Default.BuildCommand), ContentType = "application/json" }, cancellation).ConfigureAwait(false);
        var stream = response.ReadJsonStream();
        while (await stream.NextAsync(cancellation).ConfigureAwait(false) is { } document)
        {
            using (document)
            {
                Handle(document.Deserialize(ApiJson.Default.BuildEvent)!, command, cancellation);
            }
        }

        if (_failure is null)
        {
            await Task.WhenAll(_receiving).ConfigureAwait(false);
        }

        display.Finish();
        return _failure is not null ? Fail(_failure) : checkOnly ? ReportChecks() : Succeed();
    }

    private void Handle(BuildEvent line, BuildCommand command, CancellationToken cancellation)
    {
        display.Show(line);
        _warnings.AddRange(line.Warnings ?? []);
        _image = line.Image ?? _image;
        _failure = line.Failure ?? _failure;
        if (line.Fetch is { } fetch)
        {
            _receiving.Add(FetchAsync(fetch, command, cancellation));
        }

        if (line.Agent is { } agent)
        {
            _ = ConnectAsync(agent, cancellation);
        }
    }

    private async Task FetchAsync(BuildFetch fetch, BuildCommand command, CancellationToken cancellation)
    {
        using var response = await _session.Engine.SendAsync(new EngineRequest("GET", "/build/outputs/" + fetch.Token), cancellation).ConfigureAwait(false);
        var output = fetch.Output >= 0 ? outputs[fetch.Output] : new BuildOutput
        {
            Type = "local",
            Attributes = new Dictionary<string, string> { ["dest"] = Field(command.CacheTo![-1 - fetch.Output], "dest") ?? throw new CommandException("a local cache needs dest=DIRECTORY") },
        };
        await BuildOutputs.ReceiveAsync(output, response.Body, _session).ConfigureAwait(false);
    }

    private async Task ConnectAsync(BuildAgent agent, CancellationToken cancellation)
    {
        try
        {
            using var local = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await local.ConnectAsync(new UnixDomainSocketEndPoint(_agents[agent.Id]), cancellation).ConfigureAwait(false);
            await using var remote = await _session.Engine.HijackAsync(new EngineRequest("POST", "/build/agents/" + agent.Connection), cancellation).ConfigureAwait(false);
            await using var stream = new NetworkStream(local);
            var up = CopyUp();
            await remote.CopyToAsync(stream, cancellation).ConfigureAwait(false);
            local.Shutdown(SocketShutdown.Send);
            await up.ConfigureAwait(false);

            async Task CopyUp()
            {
                await stream.CopyToAsync(remote, cancellation).ConfigureAwait(false);
                remote.CompleteWrites();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or EngineApiException)
        {
            // The command sees that its agent does not answer.
        }
    }

    private async Task<BuildCommand> CommandAsync(bool checkOnly, CancellationToken cancellation)
    {
        var contexts = new Dictionary<string, string>();
        foreach (var text in context.Get(BuildFlags.BuildContext))
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new CommandException($"invalid context value: {text}, expected key=value");
            }

            var (name, value) = (text[..equals], text[(equals + 1)..]);
            contexts[name] = Directory.Exists(value)
                ? await SendAsync(value, IgnoreOf(value), $"[context {name}] load from client", cancellation).ConfigureAwait(false)
                : value;
        }

        if (sources.Directory is { } directory)
        {
            contexts[""] = await SendAsync(directory, IgnoreFile.Parse(sources.Ignore ?? ""), "[internal] load build context", cancellation).ConfigureAwait(false);
        }
        else if (sources.Remote is { } remote)
        {
            contexts[""] = remote;
        }
        else if (sources.Archive is { } archive)
        {
            using var response = await _session.Engine.SendAsync(
                new EngineRequest("POST", "/build/contexts") { BodyStream = archive, ContentType = "application/x-tar" }.With("tar", true), cancellation).ConfigureAwait(false);
            contexts[""] = "archive:" + (await response.ReadAsync(ApiJson.Default.ContextOffer, cancellation).ConfigureAwait(false)).Token;
        }

        var cacheFrom = new List<string>();
        foreach (var source in context.Get(BuildFlags.CacheFrom))
        {
            cacheFrom.Add(Field(source, "type") == "local" && Field(source, "src") is { } src
                ? Directory.Exists(src) ? $"type=local,src={await SendAsync(src, IgnoreFile.Empty, "sending cache " + src, cancellation).ConfigureAwait(false)}" : throw new CommandException($"cache directory {src} does not exist")
                : source);
        }

        return new BuildCommand
        {
            Dockerfile = sources.Dockerfile,
            DockerfileName = sources.DockerfileName,
            Ignore = sources.Ignore,
            Contexts = contexts,
            Target = NullIfEmpty(context.Get(BuildFlags.Target)),
            Arguments = Arguments(),
            Labels = context.Get(BuildFlags.Label).Select(MapOption.Split).GroupBy(l => l.Key).ToDictionary(g => g.Key, g => g.Last().Value),
            Secrets = Secrets(),
            Agents = Agents(),
            Credentials = Credentials(),
            Platforms = Platforms(),
            NoCache = context.Get(BuildFlags.NoCache) ? true : null,
            NoCacheFilter = [.. context.Get(BuildFlags.NoCacheFilter).SelectMany(f => f.Split(','))],
            Pull = context.Get(BuildFlags.Pull) ? true : null,
            Network = context.Get(BuildFlags.Network) is "default" or "" ? null : context.Get(BuildFlags.Network),
            ExtraHosts = context.Get(ContainerFlags.AddHost),
            SharedMemory = NullIfZero(context.Get(BuildFlags.ShmSize)),
            Ulimits = [.. context.Get(ContainerFlags.UlimitFlag).Values.Select(u => string.Create(CultureInfo.InvariantCulture, $"{u.Name}={u.Soft}:{u.Hard}"))],
            CgroupParent = NullIfEmpty(context.Get(BuildFlags.CgroupParent)),
            Memory = NullIfZero(context.Get(BuildFlags.Memory)),
            MemorySwap = NullIfZero(context.Get(BuildFlags.MemorySwap)),
            CpuShares = NullIfZero(context.Get(BuildFlags.CpuShares)),
            CpuPeriod = NullIfZero(context.Get(BuildFlags.CpuPeriod)),
            CpuQuota = NullIfZero(context.Get(BuildFlags.CpuQuota)),
            CpusetCpus = NullIfEmpty(context.Get(BuildFlags.CpusetCpus)),
            CpusetMems = NullIfEmpty(context.Get(BuildFlags.CpusetMems)),
            Allow = Allowed(),
            CacheFrom = cacheFrom,
            CacheTo = context.Get(BuildFlags.CacheTo),
            Attestations = Attestations(),
            Annotations = context.Get(BuildFlags.Annotation),
            Outputs = outputs,
            CheckOnly = checkOnly ? true : null,
        };
    }

    /// <summary>Brings a directory to the daemon, as far as it is not there; what the command then calls it.</summary>
    private async Task<string> SendAsync(string directory, IgnoreFile ignore, string name, CancellationToken cancellation)
    {
        var vertex = "local:" + (++_own).ToString(CultureInfo.InvariantCulture);
        var started = DateTimeOffset.UtcNow;
        display.Show(new BuildEvent { Vertexes = [new BuildVertex { Digest = vertex, Name = name, Started = started }] });
        using var files = ContextFiles.Walk(directory, ignore);
        var id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Environment.MachineName}\0{Path.GetFullPath(directory)}")));
        ContextOffer offer;
        using (var response = await _session.Engine.SendAsync(
            new EngineRequest("POST", "/build/contexts") { Body = files.List, ContentType = "application/octet-stream" }.With("id", id), cancellation).ConfigureAwait(false))
        {
            offer = await response.ReadAsync(ApiJson.Default.ContextOffer, cancellation).ConfigureAwait(false);
        }

        if (offer.Needed.Count > 0)
        {
            var pipe = new Pipe();
            var writing = files.WriteAsync(offer.Needed, pipe.Writer);
            using var response = await _session.Engine.SendAsync(
                new EngineRequest("PUT", "/build/contexts/" + offer.Token) { BodyStream = pipe.Reader.AsStream(), ContentType = "application/x-tar" }, cancellation).ConfigureAwait(false);
            await writing.ConfigureAwait(false);
        }

        var now = DateTimeOffset.UtcNow;
        display.Show(new BuildEvent
        {
            Statuses = [new BuildStatus { Id = "transferring context:", Vertex = vertex, Current = files.SizeOf(offer.Needed), Timestamp = now, Started = started, Completed = now }],
        });
        display.Show(new BuildEvent { Vertexes = [new BuildVertex { Digest = vertex, Name = name, Started = started, Completed = now }] });
        return "files:" + offer.Token;
    }

    private static IgnoreFile IgnoreOf(string directory)
    {
        var path = Path.Combine(directory, ".dockerignore");
        return File.Exists(path) ? IgnoreFile.Parse(File.ReadAllText(path)) : IgnoreFile.Empty;
    }

    /// <summary>A name without value takes it from the environment, and is left out if it is not there. Proxies come from the configuration too.</summary>
    private Dictionary<string, string> Arguments()
    {
        var arguments = new Dictionary<string, string>();
        foreach (var text in context.Get(BuildFlags.BuildArg))
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals >= 0)
            {
                arguments[text[..equals]] = text[(equals + 1)..];
            }
            else if (_session.RawEnvironment(text) is { } value)
            {
                arguments[text] = value;
            }
        }

        if (_session.Environment("SOURCE_DATE_EPOCH") is { } epoch)
        {
            arguments.TryAdd("SOURCE_DATE_EPOCH", epoch);
        }

        return arguments;
    }

    private Dictionary<string, byte[]> Secrets()
    {
        var secrets = new Dictionary<string, byte[]>();
        foreach (var text in context.Get(BuildFlags.Secret))
        {
            var fields = CommaList.Read(text).Select(f => f.Split('=', 2)).ToDictionary(f => f[0].ToLowerInvariant(), f => f.Length > 1 ? f[1] : "");
            var source = fields.GetValueOrDefault("src") ?? fields.GetValueOrDefault("source");
            var variable = fields.GetValueOrDefault("env");
            if (fields.GetValueOrDefault("type") is { } type and not ("file" or "env"))
            {
                throw new CommandException($"unsupported secret type {GoQuote.Quote(type)}");
            }

            var id = fields.GetValueOrDefault("id") ?? (source is null ? variable : Path.GetFileName(source)) ?? throw new CommandException("secret missing \"id\"");
            if (variable is null && source is null)
            {
                // Of the variable if there is one, else of the file called so.
                (variable, source) = _session.RawEnvironment(id) is null ? ((string?)null, (string?)id) : (id, null);
            }
            else if (fields.GetValueOrDefault("type") == "env" && variable is null)
            {
                (variable, source) = (source, null);
            }

            if (variable is not null)
            {
                secrets[id] = Encoding.UTF8.GetBytes(_session.RawEnvironment(variable) ?? "");
                continue;
            }

            using var file = LocalFile.OpenRead(source!);
            using var content = new MemoryStream();
            file.CopyTo(content);
            secrets[id] = content.Length <= LargestSecret ? content.ToArray() : throw new CommandException($"secret {id} too big. max size 500KB");
        }

        return secrets;
    }

    private List<string> Agents()
    {
        foreach (var text in context.Get(BuildFlags.Ssh))
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            var id = equals < 0 ? text : text[..equals];
            var path = equals < 0 ? _session.Environment("SSH_AUTH_SOCK") : text[(equals + 1)..];
            if (path is null)
            {
                throw new CommandException("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
            }

            if (!Path.Exists(path))
            {
                throw new CommandException($"could not parse ssh: [{text}]: stat {path}: no such file or directory");
            }

            if (File.Exists(path) && new FileInfo(path) is { Length: > 0 })
            {
                throw new CommandException($"{path} is a key file: add it to an SSH agent (ssh-add) and give the agent's socket");
            }

            _agents[id] = path;
        }

        return [.. _agents.Keys];
    }

    private Dictionary<string, AuthConfig>? Credentials()
    {
        if (context.Session.Configuration.Section("auths") is null && context.Session.Configuration.CredentialStore is null)
        {
            return null;
        }

        var registries = new HashSet<string>();
        foreach (var login in context.Session.Configuration.Section("auths")?.EnumerateObject().Select(l => l.Name) ?? [])
        {
            registries.Add(login);
        }

        var finder = new RegistryCredentials(context.Session.Configuration);
        var credentials = new Dictionary<string, AuthConfig>();
        foreach (var registry in registries)
        {
            if (finder.Find(registry == RegistryCredentials.HubServer ? "docker.io" : registry) is { } login)
            {
                credentials[registry] = new AuthConfig { Username = login.Username, Password = login.Password, IdentityToken = login.IdentityToken, Serveraddress = login.Server };
            }
        }

        return credentials;
    }

    private List<string> Platforms()
    {
        var given = context.Get(BuildFlags.Platform).Where(p => p.Length > 0).ToList();
        return given.Count > 0 ? given : _session.Environment("DOCKER_DEFAULT_PLATFORM") is { } standard ? [standard] : [];
    }

    private List<string> Allowed()
    {
        var allowed = context.Get(BuildFlags.Allow).ToList();
        if (context.Get(BuildFlags.Network) == "host")
        {
            allowed.Add("network.host");
        }

        return allowed;
    }

    private List<string> Attestations()
    {
        var attestations = context.Get(BuildFlags.Attest).ToList();
        foreach (var (type, value) in new[] { ("provenance", context.Get(BuildFlags.Provenance)), ("sbom", context.Get(BuildFlags.Sbom)) })
        {
            if (value.Length > 0 && value is not ("false" or "0"))
            {
                attestations.Add(value is "true" or "1" ? $"type={type}" : $"type={type},{value}");
            }
        }

        return attestations;
    }

    private int Succeed()
    {
        if (_image is { } image)
        {
            if (context.Get(BuildFlags.IidFile) is { Length: > 0 } path)
            {
                File.WriteAllText(path, image.Id);
            }

            if (context.Get(BuildFlags.MetadataFile) is { Length: > 0 } metadata)
            {
                File.WriteAllText(metadata, Metadata(image));
            }

            if (context.Get(BuildFlags.Quiet))
            {
                _session.Out.Write(image.Id + "\n");
            }
        }

        if (_warnings.Count > 0 && !context.Get(BuildFlags.Quiet))
        {
            _session.Err.Write($"\n {_warnings.Count} warning{(_warnings.Count > 1 ? "s" : "")} found (use --check for details):\n");
            foreach (var warning in _warnings)
            {
                _session.Err.Write($" - {warning.Short} (line {warning.Line})\n");
            }
        }

        return 0;
    }

    private int ReportChecks()
    {
        if (_warnings.Count == 0)
        {
            _session.Out.Write("Check complete, no warnings found.\n");
            return 0;
        }

        _session.Out.Write($"Check complete, {_warnings.Count} warning{(_warnings.Count > 1 ? "s have" : " has")} been found!\n");
        foreach (var warning in _warnings)
        {
            var colon = warning.Short.IndexOf(": ", StringComparison.Ordinal);
            _session.Out.Write($"\nWARNING: {warning.Short[..colon]} - {warning.Url}\n{warning.Short[(colon + 2)..]}\n{warning.Excerpt}\n");
        }

        return 1;
    }

    private int Fail(BuildFailure failure)
    {
        if (failure.Vertex is { } vertex && display.NameOf(vertex) is { } name)
        {
            _session.Err.Write($"------\n > {name}:\n");
            foreach (var line in display.TailOf(vertex))
            {
                _session.Err.Write(line + "\n");
            }

            _session.Err.Write("------\n");
        }

        if (failure.Excerpt is { } excerpt)
        {
            _session.Err.Write(excerpt + "\n");
        }

        if (failure.Hint is { } hint)
        {
            _session.Err.Write(hint + "\n");
        }

        throw new CommandException($"ERROR: failed to build: failed to solve: {failure.Message}");
    }

    private static string Metadata(BuildImage image)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("containerimage.config.digest", image.ConfigDigest);
            json.WriteStartObject("containerimage.descriptor");
            json.WriteString("mediaType", image.MediaType);
            json.WriteString("digest", image.Id);
            json.WriteNumber("size", image.Size ?? 0);
            json.WriteEndObject();
            json.WriteString("containerimage.digest", image.Id);
            if (image.Names is { Count: > 0 } names)
            {
                json.WriteString("image.name", string.Join(',', names));
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private static string? Field(string text, string name) =>
        CommaList.Read(text).FirstOrDefault(f => f.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;

    private static long? NullIfZero(long value) => value == 0 ? null : value;
}
