using System.Text.Json;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>/images</summary>
internal sealed class ImageEndpoints(CaisEngine engine)
{
    private ImageStore Images => engine.Images;

    public void Map(Router router)
    {
        var transfers = new ImageTransfers(engine);
        var registries = new RegistryEndpoints(engine);
        router.Map("GET", "/images/json", List);
        router.Map("GET", "/images/search", registries.Search);
        router.Map("POST", "/images/create", transfers.Create);
        router.Map("POST", "/images/load", transfers.Load);
        router.Map("POST", "/images/prune", Prune);
        router.Map("GET", "/images/get", r => transfers.Save(r, r.QueryAll("names")));
        router.Map("GET", "/images/{name*}/get", r => transfers.Save(r, [r.Path("name")]));
        router.Map("POST", "/images/{name*}/push", transfers.Push);
        router.Map("GET", "/images/{name*}/json", Inspect);
        router.Map("GET", "/images/{name*}/history", History);
        router.Map("GET", "/images/{name*}/attestations", new ImageAttestations(engine).List, new ApiVersion(1, 55));
        router.Map("POST", "/images/{name*}/tag", Tag);
        router.Map("DELETE", "/images/{name*}", Remove);
        router.Map("GET", "/distribution/{name*}/json", registries.Inspect);
        router.Map("GET", "/distribution/{name*}/manifest", registries.Manifest);
        router.Map("PUT", "/distribution/{name*}/manifest", registries.PutManifest);
        router.Map("POST", "/auth", registries.Authenticate);
        router.Map("POST", "/system/check", new StoreCheckEndpoint(engine).Check);
    }

    /// <summary>Reads a <c>platform</c> parameter: <c>linux/amd64</c>, or the JSON object of API 1.48.</summary>
    internal static Platform? PlatformOf(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        try
        {
            if (text.StartsWith('{') && JsonSerializer.Deserialize(text, ApiJson.Default.ApiPlatform) is { } platform)
            {
                return new Platform { Os = platform.Os ?? "", Architecture = platform.Architecture ?? "", Variant = platform.Variant };
            }

            return Platform.Parse(text);
        }
        catch (Exception e) when (e is JsonException or ImageFormatException)
        {
            throw EngineException.InvalidParameter($"invalid platform: {text}");
        }
    }

    /// <summary>A <c>platform</c> parameter that may stand several times; versions before 1.52 know one.</summary>
    internal static IReadOnlyList<Platform> PlatformsOf(ApiRequest request, string name)
    {
        var texts = request.QueryAll(name);
        return texts.Count > 1 && name == "platform" && request.Version < new ApiVersion(1, 52)
            ? throw EngineException.InvalidParameter("multiple platform parameters not supported")
            : [.. texts.Select(t => PlatformOf(t)!)];
    }

    internal static Reference ReferenceOf(string text)
    {
        try
        {
            return Reference.Parse(text);
        }
        catch (ImageFormatException e)
        {
            throw EngineException.InvalidParameter(e.Message);
        }
    }

    private async Task List(ApiRequest request)
    {
        var filters = request.Filters().Accept("before", "dangling", "label", "label!", "reference", "since", "until");
        var all = Images.List();
        CheckFilters(filters);
        var before = filters["before"] is [var earlier, ..] ? Images.Get(earlier).Created : (DateTimeOffset?)null;
        var since = filters["since"] is [var later, ..] ? Images.Get(later).Created : (DateTimeOffset?)null;
        var until = filters.Until(engine.Time);
        var dangling = filters.Has("dangling") ? filters.Flag("dangling", false) : (bool?)null;
        var counts = engine.List().GroupBy(c => c.Record.ImageId).ToDictionary(g => g.Key, g => (long)g.Count());
        var shared = request.Flag("shared-size") ? Images.Usage(_ => false).Shared : null;
        var identity = request.Version >= new ApiVersion(1, 54) && request.Flag("identity");
        if (identity && !request.Flag("manifests"))
        {
            throw EngineException.InvalidParameter("conflicting options: identity requires manifests=1");
        }

        var manifests = request.Flag("manifests") ? new ImageManifests(engine, identity) : null;
        IReadOnlyList<ImageSummary> images =
        [
            .. all
                .Where(i => !(i.Created >= before) && !(i.Created <= since) && !(i.Created > until))
                .Where(i => dangling is null || dangling == (i.RepoTags.Count == 0))
                .Where(i => filters.LabelsOf(i.Config.Config?.Labels))
                .Select(i => (Image: i, Tags: Matching(filters["reference"], i)))
                .Where(i => filters["reference"].Count == 0 || i.Tags.Count > 0 || MatchingDigests(filters["reference"], i.Image, i.Tags).Count > 0)
                .OrderByDescending(i => i.Image.Created)
                .Select(i => Summarize(i.Image, i.Tags, counts.GetValueOrDefault(i.Image.Id.ToString()), request) with
                {
                    RepoDigests = MatchingDigests(filters["reference"], i.Image, i.Tags),
                    SharedSize = shared?.GetValueOrDefault(i.Image.Id) ?? -1,
                    Manifests = manifests?.Of(i.Image),
                })
                .Select(i => Older.Adapt(i, request.Version)),
        ];
        await request.Answer(images, ApiJson.Default.IReadOnlyListImageSummary);
    }

    /// <summary>An image that a filter names must be here, and named once.</summary>
    private static void CheckFilters(Filters filters)
    {
        foreach (var pattern in filters["reference"].Where(p => p.Length == 0))
        {
            throw EngineException.InvalidParameter($"invalid filter 'reference={pattern}'");
        }
    }

    internal static ImageSummary Summarize(ImageRecord image, IReadOnlyList<string> tags, long containers, ApiRequest request) => new()
    {
        Id = image.Id.ToString(),
        ParentId = "",
        RepoTags = tags,
        RepoDigests = image.RepoDigests,
        Created = image.Created.ToUnixTimeSeconds(),
        Size = image.Size,
        SharedSize = -1,
        Labels = image.Config.Config?.Labels,
        Containers = request.Version >= new ApiVersion(1, 51) ? containers : -1,
        Descriptor = ContainerCreator.Describe(image.Target),
    };

    /// <summary>The image's names that a reference filter asks for: a name, with or without tag, in which <c>*</c> and <c>?</c> stand for others.</summary>
    private static IReadOnlyList<string> Matching(IReadOnlyList<string> patterns, ImageRecord image) => patterns.Count == 0
        ? image.RepoTags
        : [.. image.RepoTags.Where(t => patterns.Any(p => Glob.Matches(p, t) || Glob.Matches(p, t.AsSpan(0, t.LastIndexOf(':')))))];

    /// <summary>Of the names with digests those in a repository that was asked for.</summary>
    private static IReadOnlyList<string> MatchingDigests(IReadOnlyList<string> patterns, ImageRecord image, IReadOnlyList<string> tags) => patterns.Count == 0
        ? image.RepoDigests
        : [.. image.RepoDigests.Where(d => d[..d.IndexOf('@')] is var name
            && (tags.Any(t => t.AsSpan(0, t.LastIndexOf(':')).SequenceEqual(name)) || patterns.Any(p => Glob.Matches(p, name))))];

    private async Task Inspect(ApiRequest request)
    {
        var platform = PlatformOf(request.Query("platform"));
        if (platform is not null && request.Flag("manifests"))
        {
            throw EngineException.InvalidParameter("conflicting options: manifests and platform options cannot both be set");
        }

        var image = Images.Get(request.Path("name"), platform);
        var config = image.Config;
        await request.Raw(
            OlderImage.Write(
                new ImageInspect
                {
                    Id = image.Id.ToString(),
                    Descriptor = ContainerCreator.Describe(image.Target),
                    RepoTags = image.RepoTags,
                    RepoDigests = image.RepoDigests,
                    Comment = string.IsNullOrEmpty(config.Comment) ? null : config.Comment,
                    Created = string.IsNullOrEmpty(config.Created) ? null : config.Created,
                    Author = string.IsNullOrEmpty(config.Author) ? null : config.Author,
                    Config = Describe(config.Config),
                    Architecture = config.Architecture,
                    Variant = config.Variant,
                    Os = config.Os,
                    OsVersion = config.OsVersion,
                    Size = image.Size,
                    RootFS = new ImageInspectRootFS { Type = "layers", Layers = [.. config.RootFs.DiffIds.Select(d => d.ToString())] },
                    Metadata = new ImageInspectMetadata { LastTagTime = Timestamps.Format(image.TaggedAt) },
                    Manifests = request.Flag("manifests") && request.Version >= new ApiVersion(1, 48) ? new ImageManifests(engine).Of(image) : null,
                    Identity = request.Version >= new ApiVersion(1, 53) ? ImageManifests.IdentityOf(engine, image) : null,
                },
                OlderImage.VersionFor(request.Version, request.Http.Request.Headers.UserAgent)),
            "application/json");
    }

    private static Api.ImageConfig Describe(ContainerDefaults? config)
    {
        var empty = new Dictionary<string, JsonElement>();
        return new Api.ImageConfig
        {
            User = config?.User,
            ExposedPorts = config?.ExposedPorts?.ToDictionary(p => p.Key, IReadOnlyDictionary<string, JsonElement>? (_) => empty),
            Env = config?.Env,
            Cmd = config?.Cmd,
            Healthcheck = config?.Healthcheck is { } health
                ? new HealthConfig
                {
                    Test = health.Test,
                    Interval = health.Interval,
                    Timeout = health.Timeout,
                    Retries = health.Retries,
                    StartPeriod = health.StartPeriod,
                    StartInterval = health.StartInterval,
                }
                : null,
            ArgsEscaped = config?.ArgsEscaped,
            Volumes = config?.Volumes?.ToDictionary(p => p.Key, IReadOnlyDictionary<string, JsonElement>? (_) => empty),
            WorkingDir = config?.WorkingDir,
            Entrypoint = config?.Entrypoint,
            OnBuild = config?.OnBuild,
            Labels = config?.Labels,
            StopSignal = config?.StopSignal,
            Shell = config?.Shell,
        };
    }

    private async Task History(ApiRequest request)
    {
        var image = Images.Get(request.Path("name"), PlatformOf(request.Query("platform")));
        var items = new List<ImageHistoryResponseItem>();
        var layers = image.Manifest.Layers;
        var diffIds = image.Config.RootFs.DiffIds;
        var layer = 0;
        foreach (var step in image.Config.History ?? [])
        {
            var size = 0L;
            if (!step.EmptyLayer && layer < layers.Count)
            {
                size = (layer < diffIds.Count ? Images.LayerSize(diffIds[layer]) : null) ?? layers[layer].Size;
                layer++;
            }

            items.Insert(0, new ImageHistoryResponseItem
            {
                Id = "<missing>",
                Created = DateTimeOffset.TryParse(step.Created, null, System.Globalization.DateTimeStyles.AssumeUniversal, out var at) ? at.ToUnixTimeSeconds() : 0,
                CreatedBy = step.CreatedBy ?? "",
                Tags = null,
                Size = size,
                Comment = step.Comment ?? "",
            });
        }

        if (items.Count == 0)
        {
            items.Add(new ImageHistoryResponseItem { Created = image.Created.ToUnixTimeSeconds(), CreatedBy = "", Size = image.Size, Comment = image.Config.Comment ?? "" });
        }

        items[0] = items[0] with { Id = image.Id.ToString(), Tags = image.RepoTags.Count > 0 ? image.RepoTags : null };
        await request.Answer<IReadOnlyList<ImageHistoryResponseItem>>(items, ApiJson.Default.IReadOnlyListImageHistoryResponseItem);
    }

    private async Task Tag(ApiRequest request)
    {
        var image = Images.Get(request.Path("name"));
        var repository = request.Query("repo") ?? throw EngineException.InvalidParameter("invalid reference format");
        var name = ReferenceOf(request.Query("tag") is { } tag ? $"{repository}:{tag}" : repository);
        Images.Tag(image.Id, name);
        engine.Events.Publish("image", "tag", image.Id.ToString(), new Dictionary<string, string> { ["name"] = name.WithDefaultTag().Familiar });
        await request.Empty(201);
    }

    private async Task Remove(ApiRequest request)
    {
        var name = request.Path("name");
        var platforms = request.Version >= new ApiVersion(1, 50) ? PlatformsOf(request, "platforms") : [];
        var removed = platforms.Count > 0 ? Images.RemovePlatforms(name, platforms, request.Flag("force")) : Images.Remove(name, request.Flag("force"));
        foreach (var item in removed)
        {
            var action = item.Untagged is not null ? "untag" : "delete";
            engine.Events.Publish("image", action, item.Deleted ?? item.Untagged ?? "", new Dictionary<string, string> { ["name"] = item.Untagged ?? item.Deleted ?? "" });
        }

        await request.Answer<IReadOnlyList<ImageDeleteResponseItem>>(Describe(removed), ApiJson.Default.IReadOnlyListImageDeleteResponseItem);
    }

    private async Task Prune(ApiRequest request)
    {
        var filters = request.Filters().Accept("dangling", "label", "label!", "until");
        var until = filters.Until(engine.Time);
        var result = Images.Prune(
            all: !filters.Flag("dangling", true), image => filters.LabelsOf(image.Config.Config?.Labels) && !(image.Created > until));
        engine.Events.Publish("image", "prune", "", new Dictionary<string, string>
        {
            ["reclaimed"] = result.SpaceReclaimed.ToString(System.Globalization.CultureInfo.InvariantCulture),
        });
        await request.Answer(
            new ImagePruneResponse { ImagesDeleted = result.Removed.Count > 0 ? Describe(result.Removed) : null, SpaceReclaimed = result.SpaceReclaimed },
            ApiJson.Default.ImagePruneResponse);
    }

    private static List<ImageDeleteResponseItem> Describe(IReadOnlyList<RemovedItem> removed) =>
        [.. removed.Select(r => new ImageDeleteResponseItem { Untagged = r.Untagged, Deleted = r.Deleted })];
}
