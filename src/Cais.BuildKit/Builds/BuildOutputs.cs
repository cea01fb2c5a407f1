using System.Text;
using System.Text.Json;
using Cais.BuildKit.Files;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.History;
using Cais.BuildKit.Sessions;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Images;
using Cais.Images.Building;
using Cais.Linux;
using Cais.Oci;
using Cais.Oci.Images;

namespace Cais.BuildKit.Builds;

/// <summary>Exporters by the names that clients ask for them: to the image store, to registries, and as archives, trees and directories to the client.</summary>
internal sealed class BuildOutputs(CaisEngine engine, BuildService builds)
{
    /// <summary>Sends a result wherever the request says. Gives what the client is told of it. Throws <see cref="GrpcException"/>, <see cref="ImageException"/> or <see cref="IOException"/>.</summary>
    public async Task<Dictionary<string, string>> ExportAsync(BuildJob job, SolvedBuild solved, CancellationToken cancellation)
    {
        var response = new Dictionary<string, string>();
        var exporters = job.Request.Exporters.Select(e => (e.Type, Attributes: (IReadOnlyDictionary<string, string>)e.Attrs)).ToList();
        if (exporters.Count == 0 && job.Request.ExporterDeprecated.Length > 0)
        {
            exporters.Add((job.Request.ExporterDeprecated, job.Request.ExporterAttrsDeprecated));
        }

        for (var i = 0; i < exporters.Count; i++)
        {
            var (type, attributes) = exporters[i];
            var result = solved.Build ?? throw new GrpcException(GrpcStatusCode.InvalidArgument, $"the exporter {type} needs a result, and the build has none");
            switch (type)
            {
                case "image" or "moby":
                    await StoreAsync(job, solved, attributes, response, cancellation);
                    break;
                case "docker" or "oci":
                    await SendArchiveAsync(job, solved, i, type, attributes, response, cancellation);
                    break;
                case "local":
                    await SendTreesAsync(job, solved, i, attributes, cancellation);
                    break;
                case "tar":
                    await SendTarAsync(job, result, i, cancellation);
                    break;
                default:
                    throw new GrpcException(GrpcStatusCode.NotFound, $"exporter \"{type}\" could not be found: there are image, docker, oci, local and tar");
            }
        }

        if (solved.Build is { } built)
        {
            await ExportCacheAsync(job, built, response, cancellation);
        }

        return response;
    }

    /// <summary>How a result was made, for the history: what <c>buildx history inspect</c> shows of a build's arguments and materials.</summary>
    public IReadOnlyList<ResultStatement> Statements(SolvedBuild solved) => solved.Build is not { } build ? [] :
        [.. BuildAttestations.Of(engine, ["type=provenance,mode=max"], build, solved.Begun)
            .Select(s => new ResultStatement(solved.IsMultiPlatform ? s.Platform.ToString() : null, s.PredicateType, s.Predicate))];

    /// <summary>Sends the cache wherever the request says, but for what goes with the image itself.</summary>
    private async Task ExportCacheAsync(BuildJob job, BuildResult result, Dictionary<string, string> response, CancellationToken cancellation)
    {
        var targets = job.Request.Cache?.Exports.Select(c => new CacheExchange(c.Type, c.Attrs)).ToList() ?? [];
        foreach (var unknown in targets.Where(t => t.Type is not ("inline" or "registry" or "local")))
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, $"exporting the cache to {unknown.Type} is not supported here: there are inline, local and registry");
        }

        await builds.ExportCacheAsync(result, targets, new ClientCredentials(job.Session), job.Progress, cancellation);
        foreach (var target in targets.Where(t => t.Type == "local"))
        {
            var store = new ClientContent(Demand(job), "local:" + target.Attributes.GetValueOrDefault("dest"));
            var described = await job.Progress.ShowAsync(
                "exporting cache to client directory",
                _ => SendLayoutAsync(store, to => builds.Exporter.WriteCacheAsync(result, target, to, cancellation), cancellation));
            response["cache.manifest"] = Encoding.UTF8.GetString(Json(described));
        }
    }

    private async Task<Descriptor> SendLayoutAsync(ClientContent store, Func<Stream, Task> write, CancellationToken cancellation)
    {
        using var scratch = builds.Contexts.Make();
        await using var archive = File.Create(Path.Combine(scratch.Path, "archive"));
        await write(archive);
        archive.Position = 0;
        return await store.SendAsync(archive, cancellation);
    }

    private ImageExport ExportOf(BuildJob job, SolvedBuild solved, IReadOnlyDictionary<string, string> attributes) => new()
    {
        Build = job.Request.Ref,
        Compression = attributes.GetValueOrDefault("compression") switch
        {
            null or "" => IsTrue(attributes, "push") ? LayerCompression.Gzip : LayerCompression.None,
            "uncompressed" => LayerCompression.None,
            "gzip" or "estargz" => LayerCompression.Gzip,
            "zstd" => LayerCompression.Zstd,
            var other => throw new GrpcException(GrpcStatusCode.InvalidArgument, $"unsupported layer compression type {other}"),
        },
        Attestations = BuildAttestations.Of(engine, solved.Attestations, solved.Build!, solved.Begun),
        InlineCache = (job.Request.Cache?.Exports.Any(c => c.Type == "inline") ?? false) || solved.Build!.Request.Options.Arguments.GetValueOrDefault("BUILDKIT_INLINE_CACHE") is "1" or "true",
        Names = NamesOf(attributes),
        IsIndex = solved.IsMultiPlatform,
        Annotations = AnnotationsOf(attributes, "annotation", "annotation-manifest"),
        IndexAnnotations = AnnotationsOf(attributes, "annotation-index"),
    };

    private static List<Reference> NamesOf(IReadOnlyDictionary<string, string> attributes) =>
        [.. (attributes.GetValueOrDefault("name") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(n => Reference.TryParse(n, out var name)
            ? name.WithDefaultTag() : throw new GrpcException(GrpcStatusCode.InvalidArgument, $"invalid image name \"{n}\""))];

    /// <summary><c>annotation[-index|-manifest][[platform]].key</c>.</summary>
    private static Dictionary<string, string> AnnotationsOf(IReadOnlyDictionary<string, string> attributes, params string[] kinds)
    {
        var found = new Dictionary<string, string>();
        foreach (var (name, value) in attributes)
        {
            var dot = name.IndexOf('.', StringComparison.Ordinal);
            if (dot > 0 && kinds.Contains(name[..dot].Split('[')[0]))
            {
                found[name[(dot + 1)..]] = value;
            }
        }

        return found;
    }

    private async Task StoreAsync(BuildJob job, SolvedBuild solved, IReadOnlyDictionary<string, string> attributes, Dictionary<string, string> response, CancellationToken cancellation)
    {
        // Builders of one platform each push their parts so, for somebody else to make one index of them.
        var isByDigest = IsTrue(attributes, "push-by-digest");
        var names = NamesOf(attributes);
        var export = ExportOf(job, solved, attributes) with { Names = isByDigest ? [] : names };
        var image = await builds.Exporter.StoreAsync(solved.Build!, export, job.Progress, cancellation);
        Describe(image, names, response);
        if (IsTrue(attributes, "push"))
        {
            await PushAsync(job, names, isByDigest ? image.Target : null, cancellation);
        }
    }

    private async Task PushAsync(BuildJob job, List<Reference> names, Descriptor? byDigest, CancellationToken cancellation)
    {
        if (names.Count == 0)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, "tag is needed when pushing to registry");
        }

        foreach (var name in names)
        {
            await job.Progress.ShowAsync($"pushing {name.Familiar}", async _ =>
            {
                var options = new PushOptions { AsStored = true, ByDigest = byDigest, Credentials = await new ClientCredentials(job.Session).FindCredentialsAsync(name.Domain, cancellation) };
                return await engine.Images.PushAsync(name, options, new Ignored(), cancellation);
            });
        }
    }

    private async Task SendArchiveAsync(
        BuildJob job, SolvedBuild solved, int exporter, string type, IReadOnlyDictionary<string, string> attributes, Dictionary<string, string> response, CancellationToken cancellation)
    {
        var isDirectory = attributes.TryGetValue("tar", out var tar) && tar is "false" or "0";
        var export = ExportOf(job, solved, attributes);
        await job.Progress.ShowAsync($"exporting to {type} image format", async vertex =>
        {
            if (isDirectory)
            {
                // The client writes the directory's index, by what it is told of the result.
                var described = await SendLayoutAsync(
                    new ClientContent(Demand(job), "export"), to => builds.Exporter.WriteArchiveAsync(solved.Build!, export, to, job.Progress, cancellation), cancellation);
                response["containerimage.digest"] = described.Digest.ToString();
                response["containerimage.descriptor"] = Convert.ToBase64String(Json(described));
                return 0;
            }

            await using var file = MessageUpload.Create(Demand(job), exporter, new Dictionary<string, string>(), cancellation);
            await builds.Exporter.WriteArchiveAsync(solved.Build!, export, file, job.Progress, cancellation);
            await file.FinishAsync();
            job.Progress.Status(vertex, "sending tarball", 0, 0, isDone: true);
            return 0;
        });
    }

    private static Task<int> SendTreesAsync(BuildJob job, SolvedBuild solved, int exporter, IReadOnlyDictionary<string, string> attributes, CancellationToken cancellation) =>
        job.Progress.ShowAsync("exporting to client directory", async vertex =>
        {
            var isSplit = solved.IsMultiPlatform && !(attributes.TryGetValue("platform-split", out var split) && split is "false" or "0");
            var trees = new List<(string Name, FileDescriptor Tree)>();
            try
            {
                foreach (var platform in solved.Build!.Platforms.OrderBy(p => BuildExporter.DirectoryOf(p.Platform), StringComparer.Ordinal))
                {
                    trees.Add((isSplit ? BuildExporter.DirectoryOf(platform.Platform) : "", platform.OpenTree()));
                }

                await FileSync.SendAsync(Demand(job), exporter, trees, cancellation);
            }
            finally
            {
                foreach (var (_, tree) in trees)
                {
                    tree.Dispose();
                }
            }

            job.Progress.Status(vertex, "copying files", 0, 0, isDone: true);
            return 0;
        });

    private static Task<int> SendTarAsync(BuildJob job, BuildResult result, int exporter, CancellationToken cancellation) =>
        job.Progress.ShowAsync("exporting to client tarball", async vertex =>
        {
            await using var file = MessageUpload.Create(Demand(job), exporter, new Dictionary<string, string>(), cancellation);
            await BuildExporter.WriteTreeAsync(result, file, cancellation);
            await file.FinishAsync();
            job.Progress.Status(vertex, "sending tarball", 0, 0, isDone: true);
            return 0;
        });

    private static Session Demand(BuildJob job) =>
        job.Session ?? throw new GrpcException(GrpcStatusCode.FailedPrecondition, "the result is to be sent to the client, and there is no session to send it by");

    private static void Describe(ImageRecord image, List<Reference> names, Dictionary<string, string> response)
    {
        response["containerimage.digest"] = image.Id.ToString();
        response["containerimage.descriptor"] = Convert.ToBase64String(Json(image.Target));
        if (names.Count > 0)
        {
            response["image.name"] = string.Join(',', names.Select(n => n.ToString()));
        }
    }

    private static byte[] Json(Descriptor described)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("mediaType", described.MediaType);
            json.WriteString("digest", described.Digest.ToString());
            json.WriteNumber("size", described.Size);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static bool IsTrue(IReadOnlyDictionary<string, string> attributes, string name) => attributes.TryGetValue(name, out var text) && text is "1" or "true" or "True" or "TRUE" or "t";

    private sealed class Ignored : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value)
        {
        }
    }
}
