using System.Globalization;
using System.Text;
using Cais.Build.Cache;
using Cais.Build.Graph;
using Cais.Build.Solving;
using Cais.Images;
using Cais.Images.Building;
using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Engine.Builds;

/// <summary>Brings a build's results to where they are wanted: the image store, from where they are pushed and saved like any image, or a plain tree.</summary>
public sealed class BuildExporter
{
    private readonly EngineServices _services;
    private readonly BuildCache _cache;

    internal BuildExporter(EngineServices services, BuildCache cache) => (_services, _cache) = (services, cache);

    /// <summary>
    /// Makes an image of a result: a manifest, or an index over several platforms or with attestations. Equal results give the same image, bit for bit.
    /// Throws <see cref="ImageException"/>.
    /// </summary>
    public async Task<ImageRecord> StoreAsync(BuildResult result, ImageExport export, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(export);
        ArgumentNullException.ThrowIfNull(progress);
        var activity = new ActivityStep("exporting to image");
        progress.Started(activity);
        try
        {
            using var writer = _services.Images.Building.Begin();
            var target = await AddAsync(writer, result, export, activity, progress, cancellation).ConfigureAwait(false);
            var image = writer.Store(target, export.Names, result.Platforms[0].Platform, export.Build);
            progress.Status(activity, $"writing image {image.Id}", 0, 0, isDone: true);
            foreach (var name in export.Names)
            {
                progress.Status(activity, $"naming to {name.WithDefaultTag()}", 0, 0, isDone: true);
                _services.Events.Publish("image", "tag", image.Id.ToString(), new Dictionary<string, string> { ["name"] = name.WithDefaultTag().Familiar });
            }

            progress.Completed(activity, wasCached: false, null);
            return image;
        }
        catch (Exception e)
        {
            progress.Completed(activity, wasCached: false, e);
            throw;
        }
    }

    /// <summary>Writes a result as an archive that is an OCI layout and a docker archive at once. Nothing of it stays in the store. Throws <see cref="ImageException"/>.</summary>
    public async Task WriteArchiveAsync(BuildResult result, ImageExport export, Stream to, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(export);
        ArgumentNullException.ThrowIfNull(progress);
        var activity = new ActivityStep("exporting image");
        progress.Started(activity);
        try
        {
            using var writer = _services.Images.Building.Begin();
            var target = await AddAsync(writer, result, export, activity, progress, cancellation).ConfigureAwait(false);
            await writer.SaveAsync(target, export.Names, to, cancellation).ConfigureAwait(false);
            progress.Completed(activity, wasCached: false, null);
        }
        catch (Exception e)
        {
            progress.Completed(activity, wasCached: false, e);
            throw;
        }
    }

    /// <summary>Makes an image that carries the cache, by the name it will be pushed to.</summary>
    public async Task StoreCacheAsync(BuildResult result, CacheExchange target, Reference name, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(target);
        using var writer = _services.Images.Building.Begin();
        writer.Store(await AddCacheAsync(writer, result, target.IsMax, cancellation).ConfigureAwait(false), [name], null);
    }

    /// <summary>Writes an image that carries the cache as an OCI layout in a tar archive.</summary>
    public async Task WriteCacheAsync(BuildResult result, CacheExchange target, Stream to, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(target);
        using var writer = _services.Images.Building.Begin();
        await writer.SaveAsync(await AddCacheAsync(writer, result, target.IsMax, cancellation).ConfigureAwait(false), [], to, cancellation).ConfigureAwait(false);
    }

    /// <summary>Writes the result's files as a tar archive; those of several platforms each below a directory such as <c>linux_arm64</c>.</summary>
    public static Task WriteTreeAsync(BuildResult result, Stream to, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(result);
        var latest = result.Request.Options.Epoch?.ToUnixTimeSeconds();
        return RootfsArchive.ExportAsync(
            [.. result.Platforms.Select(p => (result.Platforms.Count > 1 ? DirectoryOf(p.Platform) : "", p.OpenTree()))], latest, to, cancellation);
    }

    /// <summary><c>linux_arm_v7</c>.</summary>
    public static string DirectoryOf(Platform platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        return platform.ToString().Replace('/', '_');
    }

    private async Task<Descriptor> AddAsync(
        ImageWriter writer, BuildResult result, ImageExport export, ActivityStep activity, IBuildProgress progress, CancellationToken cancellation)
    {
        progress.Status(activity, "exporting layers", 0, 0, isDone: false);
        var manifests = new List<Descriptor>();
        foreach (var platform in result.Platforms)
        {
            manifests.Add(await AddAsync(writer, result, platform, export, cancellation).ConfigureAwait(false));
        }

        progress.Status(activity, "exporting layers", 0, 0, isDone: true);
        return manifests is [var only] && export.Attestations.Count == 0 && !export.IsIndex ? only : AddIndex(writer, result, manifests, export);
    }

    private async Task<Descriptor> AddAsync(
        ImageWriter writer, BuildResult build, PlatformResult result, ImageExport export, CancellationToken cancellation)
    {
        var epoch = build.Request.Options.Epoch;
        var diffIds = new Digest[result.Result.Layers.Count];
        var made = new DateTimeOffset?[diffIds.Length];
        for (var i = 0; i < diffIds.Length; i++)
        {
            var layer = result.Result.Layers[i];
            if (layer.Id is null)
            {
                diffIds[i] = layer.DiffId ?? throw new InvalidOperationException("a layer has neither ID nor DiffID");
                continue;
            }

            made[i] = _cache.Describe(layer.Id)?.Created;
            diffIds[i] = await AddLayerAsync(writer, layer, epoch?.ToUnixTimeSeconds(), cancellation).ConfigureAwait(false);
        }

        var history = History(result, made, epoch);
        var config = result.Plan.Config with
        {
            Created = history.LastOrDefault()?.Created ?? Time(epoch ?? DateTimeOffset.UnixEpoch),
            RootFs = new RootFs { DiffIds = diffIds },
            History = history,
        };
        if (export.InlineCache)
        {
            var places = result.Result.Layers.Select((l, i) => (l.Path, DiffId: diffIds[i])).DistinctBy(l => l.Path).ToDictionary(l => l.Path, l => l.DiffId);
            var keys = await result.Solver.KeysAsync(result.Plan.Steps(), cancellation).ConfigureAwait(false);
            var labels = new Dictionary<string, string>(config.Config?.Labels ?? new Dictionary<string, string>())
            {
                [CacheRecords.Label] = CacheRecords.Write(keys, diffIds, l => places.TryGetValue(l.Path, out var d) ? d : null),
            };
            config = config with { Config = (config.Config ?? new ContainerDefaults()) with { Labels = labels } };
        }

        var layers = await Task.WhenAll(diffIds.Select(d => writer.CompressAsync(writer.DescriptorOf(d, result.Images), export.Compression, cancellation))).ConfigureAwait(false);
        var descriptor = writer.AddManifest(
            config, layers, export.Annotations.Count > 0 ? export.Annotations : null).Manifest;
        return descriptor with { Platform = config.Platform };
    }

    private async Task<Descriptor> AddCacheAsync(ImageWriter writer, BuildResult result, bool isMax, CancellationToken cancellation)
    {
        IReadOnlyList<(Digest Key, StepResult Result)> keys = [];
        foreach (var platform in result.Platforms)
        {
            keys = [.. keys, .. await platform.Solver.KeysAsync(platform.Plan.Steps(), cancellation).ConfigureAwait(false)];
        }

        keys = [.. keys.DistinctBy(k => k.Key)];
        if (!isMax)
        {
            // Of results along the way only those that the final ones are made of.
            var final = result.Platforms.SelectMany(p => p.Result.Paths).ToHashSet();
            keys = [.. keys.Where(k => k.Result.Paths.All(final.Contains))];
        }

        var diffIds = new List<Digest>();
        var known = new Dictionary<string, Digest>();
        foreach (var layer in keys.SelectMany(k => k.Result.Layers))
        {
            if (!known.ContainsKey(layer.Path))
            {
                var diffId = layer.Id is null ? layer.DiffId!.Value : await AddLayerAsync(writer, layer, null, cancellation).ConfigureAwait(false);
                known[layer.Path] = diffId;
                if (!diffIds.Contains(diffId))
                {
                    diffIds.Add(diffId);
                }
            }
        }

        var config = new ImageConfig
        {
            Architecture = result.Platforms[0].Platform.Architecture,
            Os = result.Platforms[0].Platform.Os,
            Variant = result.Platforms[0].Platform.Variant,
            Config = new ContainerDefaults
            {
                Labels = new Dictionary<string, string> { [CacheRecords.Label] = CacheRecords.Write(keys, diffIds, l => known.TryGetValue(l.Path, out var d) ? d : null) },
            },
            RootFs = new RootFs { DiffIds = diffIds },
        };
        var images = result.Platforms.SelectMany(p => p.Images).ToList();
        var blobs = await Task.WhenAll(diffIds.Select(d => writer.CompressAsync(writer.DescriptorOf(d, images), LayerCompression.Gzip, cancellation))).ConfigureAwait(false);
        return writer.AddManifest(config, blobs).Manifest;
    }

    private async Task<Digest> AddLayerAsync(ImageWriter writer, LayerReference layer, long? latest, CancellationToken cancellation)
    {
        var known = latest is null ? _cache.Describe(layer.Id!)?.DiffId : null;
        var diffId = await writer.AddLayerAsync(new LayerSource(null, layer.Path, latest), known, cancellation).ConfigureAwait(false);
        if (latest is null && known != diffId)
        {
            _cache.Describe(layer.Id!, diffId);
        }

        return diffId;
    }

    /// <summary>
    /// The base image's entries as they are, and ours with times: a layer's is when it was made, whenever it was first built; what makes none has the
    /// time of what stands before it. So a build that finds everything in the cache gives the image that it gave before.
    /// </summary>
    private List<HistoryEntry> History(PlatformResult result, DateTimeOffset?[] made, DateTimeOffset? epoch)
    {
        var inherited = result.Plan.Config.History?.Count ?? 0;
        var entries = result.Plan.History.ToList();
        var layer = made.Length - entries.Skip(inherited).Count(e => !e.EmptyLayer);
        var last = entries.Take(inherited).LastOrDefault()?.Created;
        var pending = new List<int>();
        for (var i = inherited; i < entries.Count; i++)
        {
            if (!entries[i].EmptyLayer)
            {
                var at = layer < 0 ? null : made[layer];
                layer++;
                last = at is null ? last : Time(epoch ?? at.Value);
            }

            var created = epoch is { } e ? Time(e) : last;
            if (created is null)
            {
                pending.Add(i);
                continue;
            }

            entries[i] = entries[i] with { Created = created };
        }

        // Before the first layer of an image from scratch: as old as that layer. One without any layer has no time but now.
        foreach (var i in pending)
        {
            entries[i] = entries[i] with { Created = last ?? Time(_services.Time.GetUtcNow()) };
        }

        return entries;
    }

    private static Descriptor AddIndex(ImageWriter writer, BuildResult result, List<Descriptor> manifests, ImageExport export)
    {
        var entries = manifests.ToList();
        for (var i = 0; i < manifests.Count; i++)
        {
            var statements = export.Attestations.Where(a => a.Platform == result.Platforms[i].Platform).ToList();
            if (statements.Count > 0)
            {
                entries.Add(AddAttestations(writer, manifests[i], statements, export.Names));
            }
        }

        return writer.AddIndex(new Index
        {
            MediaType = MediaTypes.OciIndex,
            Manifests = entries,
            Annotations = export.IndexAnnotations.Count > 0 ? export.IndexAnnotations : null,
        });
    }

    /// <summary>
    /// Statements about an image as BuildKit attaches them (attestation-storage.md): a manifest of no platform whose layers are in-toto statements,
    /// and an index entry that says which image it is about.
    /// </summary>
    private static Descriptor AddAttestations(ImageWriter writer, Descriptor image, List<Attestation> statements, IReadOnlyList<Reference> names)
    {
        var layers = statements.ConvertAll(s => writer.AddBlob(
            Statement(s, image, names), "application/vnd.in-toto+json", new Dictionary<string, string> { ["in-toto.io/predicate-type"] = s.PredicateType }));
        var config = new ImageConfig
        {
            Architecture = "unknown",
            Os = "unknown",
            Config = new ContainerDefaults(),
            RootFs = new RootFs { DiffIds = layers.ConvertAll(l => l.Digest) },
        };
        return writer.AddManifest(config, layers).Manifest with
        {
            Platform = new Platform { Os = "unknown", Architecture = "unknown" },
            Annotations = new Dictionary<string, string>
            {
                [Annotations.DockerReferenceDigest] = image.Digest.ToString(),
                [Annotations.DockerReferenceType] = "attestation-manifest",
            },
        };
    }

    private static byte[] Statement(Attestation attestation, Descriptor image, IReadOnlyList<Reference> names)
    {
        using var buffer = new MemoryStream();
        using (var json = new System.Text.Json.Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("_type", "https://in-toto.io/Statement/v0.1");
            json.WriteString("predicateType", attestation.PredicateType);
            json.WriteStartArray("subject");
            foreach (var name in names.Select(n => n.WithDefaultTag()).DefaultIfEmpty())
            {
                json.WriteStartObject();
                json.WriteString("name", name is null ? "_" : $"pkg:docker/{Uri.EscapeDataString(name.FamiliarName)}@{name.Tag}?platform={Uri.EscapeDataString(attestation.Platform.ToString())}");
                json.WriteStartObject("digest");
                json.WriteString(image.Digest.Algorithm, image.Digest.Hex);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WritePropertyName("predicate");
            json.WriteRawValue(Encoding.UTF8.GetString(attestation.Predicate.Span));
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture)
        .TrimEnd('Z').TrimEnd('0').TrimEnd('.') + "Z";
}
