using System.Globalization;
using Cais.Build.Graph;
using Cais.Build.Planning;
using Cais.Build.Sources;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Files;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Cais.Engine.Builds;
using Cais.Oci.Images;
using Pb;
using Digest = Cais.Oci.Images.Digest;
using Platform = Cais.Oci.Images.Platform;
using FrontendResult = Moby.Buildkit.V1.Frontend.Result;

namespace Cais.BuildKit.Operations;

/// <summary>Solves graphs of low-level operations (LLB), which clients and frontends send instead of a Dockerfile.</summary>
internal sealed class GraphFrontend(BuildService builds, SessionRegistry sessions, ContextStore contexts, FrontendInputs inputs, string scratch)
{
    private const string ConfigKey = "containerimage.config";

    /// <summary>Does everything that a definition needs. Throws <see cref="GrpcException"/>.</summary>
    /// <param name="options">Of the frontend that asks: caches to use, statements wanted.</param>
    public async Task<SolvedBuild> SolveAsync(BuildJob job, Definition definition, IReadOnlyDictionary<string, string> options, CancellationToken cancellation)
    {
        try
        {
            var attributes = new FrontendAttributes(options);
            var graph = new OperationGraph(definition);
            using var session = new SessionBuildClient(job, sessions, contexts, builds.Remotes, attributes, scratch);
            var client = new GraphClient(session);
            var request = new BuildRequest
            {
                Dockerfile = null,
                Options = new BuildOptions { Arguments = attributes.ToOptions().Arguments },
                Pull = definition.Def.Select(d => Op.Parser.ParseFrom(d)).Any(o => o.Source?.Attrs.GetValueOrDefault("image.resolvemode") == "pull"),
                AllowInsecure = job.Request.Entitlements.Contains("security.insecure"),
                AllowHostNetwork = job.Request.Entitlements.Contains("network.host"),
                CacheFrom = attributes.CacheFrom,
            };
            var result = await builds.SolveAsync(
                request, (platform, images) => PlanAsync(job, graph, client, platform, images, cancellation), client, job.Progress, cancellation);
            return new SolvedBuild(result, isMultiPlatform: false, source: null)
            {
                Definition = definition,
                Attestations = attributes.Attestations,
                Begun = job.Record.CreatedAt.ToDateTimeOffset(),
            };
        }
        catch (Exception e) when (e is not GrpcException && !(e is OperationCanceledException && cancellation.IsCancellationRequested))
        {
            throw BuildErrors.Describe(e, null);
        }
    }

    /// <summary>An image of what a definition makes, by its ID; it goes when the build is over, unless somebody has given it a name. Throws <see cref="GrpcException"/>.</summary>
    public async Task<string> ToImageAsync(BuildJob job, Definition definition, CancellationToken cancellation)
    {
        if (await inputs.FindImageAsync(job, definition, cancellation) is { } known)
        {
            return known;
        }

        var solved = await SolveAsync(job, definition, new Dictionary<string, string>(), cancellation);
        job.Keep(solved);
        return await inputs.StoreAsync(job, solved.Build!, cancellation);
    }

    /// <summary>
    /// What a client or frontend returned at the end: file systems by the ids that they were given, and the images' configurations. Null if it is none. Throws <see cref="GrpcException"/>.
    /// </summary>
    public static SolvedBuild? Combine(BuildJob job, FrontendResult result)
    {
        List<(string Key, string Id)> named = result.ResultCase switch
        {
            FrontendResult.ResultOneofCase.Ref => [("", result.Ref.Id)],
            FrontendResult.ResultOneofCase.RefDeprecated => [("", result.RefDeprecated)],
            FrontendResult.ResultOneofCase.Refs => [.. result.Refs.Refs.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => (r.Key, r.Value.Id))],
            FrontendResult.ResultOneofCase.RefsDeprecated => [.. result.RefsDeprecated.Refs.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => (r.Key, r.Value))],
            _ => [],
        };
        var references = named.Where(n => n.Id.Length > 0).Select(n => (n.Key, Reference: job.Find(n.Id))).ToList();
        if (references.Count == 0)
        {
            return null;
        }

        var first = references[0].Reference.Solved;
        if (first.Definition is null && references.TrueForAll(r => r.Reference.Solved == first))
        {
            return first;
        }

        var platforms = references.ConvertAll(r => Configure(r.Reference.Platform, r.Key, result));
        var request = first.Build!.Request with { Platforms = [.. platforms.Select(p => p.Platform)] };
        return new SolvedBuild(BuildResult.Combine(request, platforms), isMultiPlatform: named.Count > 1 || named[0].Key.Length > 0, source: null)
        {
            Attestations = first.Attestations,
            Begun = first.Begun,
        };
    }

    private static PlatformResult Configure(PlatformResult part, string key, FrontendResult result)
    {
        if (!result.Metadata.TryGetValue(key.Length > 0 ? $"{ConfigKey}/{key}" : ConfigKey, out var json) && !result.Metadata.TryGetValue(ConfigKey, out json))
        {
            return key.Length > 0 ? part with { Platform = Platform.Parse(key).Normalized() } : part;
        }

        ImageConfig config;
        try
        {
            config = ImageConfig.Parse(json.Span);
        }
        catch (ImageFormatException e)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"the frontend returned an image configuration that is none: {e.Message}", e);
        }

        return part with { Platform = config.Platform, Plan = part.Plan with { Config = config, History = HistoryOf(config, part.Result.Layers.Count) } };
    }

    /// <summary>The frontend's entries if they are about these layers, and one for each layer that they say nothing of.</summary>
    private static IReadOnlyList<HistoryEntry> HistoryOf(ImageConfig config, int layers)
    {
        var entries = config.History ?? [];
        var missing = layers - entries.Count(e => !e.EmptyLayer);
        return missing < 0 ? [] : [.. entries, .. Enumerable.Repeat(new HistoryEntry { CreatedBy = "buildkit.exporter.image.v0" }, missing)];
    }

    private async Task<BuildPlan> PlanAsync(BuildJob job, OperationGraph graph, GraphClient client, Platform platform, IBaseImages images, CancellationToken cancellation)
    {
        var converter = new GraphConverter(graph, (source, wanted, name) => SourceAsync(job, client, images, source, wanted, name, cancellation), platform);
        var step = await converter.ConvertAsync();
        var config = new ImageConfig
        {
            Architecture = platform.Architecture,
            Os = platform.Os,
            Variant = platform.Variant,
            Config = new ContainerDefaults { Env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], WorkingDir = "/" },
        };
        return new BuildPlan(step, config, [], []);
    }

    private async Task<Step> SourceAsync(
        BuildJob job, GraphClient client, IBaseImages images, SourceOp source, Platform platform, string name, CancellationToken cancellation)
    {
        const string layout = "oci-layout://";
        var identifier = source.Identifier;

        // Whoever asks for less than all of a source would get something else than he wants.
        if (source.Attrs.Keys.FirstOrDefault(a => a is "image.layerlimit" or "oci.layerlimit" or "local.metadatatransfer") is { } refused)
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, $"{refused} of the source {identifier} is not supported");
        }

        if (identifier.StartsWith("docker-image://", StringComparison.Ordinal))
        {
            return await ImageAsync(identifier["docker-image://".Length..]);
        }

        if (identifier.StartsWith(layout, StringComparison.Ordinal))
        {
            // The store is what the attribute says, whatever stands before the digest.
            var store = source.Attrs.GetValueOrDefault("oci.store");
            var reference = identifier[layout.Length..];
            return await ImageAsync(await inputs.LoadLayoutAsync(job, store is null ? reference : $"{store}@{reference.Split('@')[^1]}", cancellation));
        }

        if (FrontendInputs.IsResult(identifier))
        {
            return await ImageAsync(await inputs.FindImageAsync(job, identifier, cancellation));
        }

        if (identifier.StartsWith("local://", StringComparison.Ordinal))
        {
            return new ContextStep(client.Add(source), name);
        }

        if (identifier.StartsWith("git://", StringComparison.Ordinal))
        {
            return Git(source, name);
        }

        if (identifier.StartsWith("https://", StringComparison.Ordinal) || identifier.StartsWith("http://", StringComparison.Ordinal))
        {
            return Http(source, name);
        }

        throw new GrpcException(GrpcStatusCode.Unimplemented, $"the source {identifier} is not supported: there are docker-image, oci-layout, local, git, http and https");

        async Task<Step> ImageAsync(string reference)
        {
            var image = await images.ResolveAsync(reference, platform, cancellation);
            return new ImageStep(reference, image.Identity, name);
        }
    }

    private static GitStep Git(SourceOp source, string name)
    {
        var rest = source.Identifier["git://".Length..];
        var hash = rest.IndexOf('#', StringComparison.Ordinal);
        var fragment = hash < 0 ? "" : rest[(hash + 1)..];
        var colon = fragment.IndexOf(':', StringComparison.Ordinal);
        var reference = colon < 0 ? fragment : fragment[..colon];
        return new GitStep(
            new GitAddress
            {
                Url = source.Attrs.GetValueOrDefault("git.fullurl") ?? "https://" + (hash < 0 ? rest : rest[..hash]),
                Reference = reference.Length > 0 ? reference : null,
                Directory = colon < 0 ? "" : fragment[(colon + 1)..].Trim('/'),
                Checksum = source.Attrs.GetValueOrDefault("git.checksum"),
                Submodules = source.Attrs.GetValueOrDefault("git.skipsubmodules") is not ("true" or "1"),
                HeaderSecret = source.Attrs.GetValueOrDefault("git.authheadersecret") ?? "GIT_AUTH_HEADER",
                TokenSecret = source.Attrs.GetValueOrDefault("git.authtokensecret") ?? "GIT_AUTH_TOKEN",
                KnownHosts = source.Attrs.GetValueOrDefault("git.knownsshhosts"),
            },
            source.Attrs.GetValueOrDefault("git.keepgitdir") is "true" or "1",
            name);
    }

    private static uint Number(SourceOp source, string attribute) => !source.Attrs.TryGetValue(attribute, out var text) ? 0
        : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw OperationGraph.Invalid($"{attribute}={text} of {source.Identifier} is no number");

    private static HttpStep Http(SourceOp source, string name)
    {
        const string header = "http.header.";
        if (!Uri.TryCreate(source.Identifier, UriKind.Absolute, out var url))
        {
            throw OperationGraph.Invalid($"{source.Identifier} is no address");
        }

        Digest? checksum = null;
        if (source.Attrs.GetValueOrDefault("http.checksum") is { Length: > 0 } text)
        {
            checksum = Digest.TryParse(text, out var parsed) ? parsed : throw OperationGraph.Invalid($"the checksum {text} of {url} is none");
        }

        var file = source.Attrs.GetValueOrDefault("http.filename") is { Length: > 0 } given ? given : Cais.Build.Patterns.GoPath.Base(Uri.UnescapeDataString(url.AbsolutePath));
        if (file.Contains('/', StringComparison.Ordinal) || file is "." or "..")
        {
            // What has no name is called so.
            file = "download";
        }

        var permissions = source.Attrs.GetValueOrDefault("http.perm");
        return new HttpStep(url, file, checksum, name)
        {
            Permissions = permissions is { Length: > 0 } ? (uint)ReadOctal(permissions) : 0x180,
            Uid = Number(source, "http.uid"),
            Gid = Number(source, "http.gid"),
            HeaderSecret = source.Attrs.GetValueOrDefault("http.authheadersecret"),
            Headers = source.Attrs.Where(a => a.Key.StartsWith(header, StringComparison.Ordinal)).ToDictionary(a => a.Key[header.Length..], a => a.Value),
        };
    }

    private static long ReadOctal(string text)
    {
        try
        {
            return System.Convert.ToInt64(text, 8) & 0xFFF;
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
        {
            throw OperationGraph.Invalid(string.Create(CultureInfo.InvariantCulture, $"the permissions {text} are no octal number"));
        }
    }
}
