using System.Threading.Channels;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>Images that come and go: pull, push, import, load and save.</summary>
internal sealed class ImageTransfers(CaisEngine engine)
{
    private const string AllPlatforms = "all";

    /// <summary>POST /images/create: a pull, or an import when there is a source.</summary>
    public Task Create(ApiRequest request) => request.Query("fromImage") is { } name ? Pull(request, name)
        : request.Query("fromSrc") is { } source ? Import(request, source)
        : throw EngineException.InvalidParameter("either fromImage or fromSrc must be given");

    /// <summary>POST /images/{name}/push: one tag, or without any all that the repository has here.</summary>
    public async Task Push(ApiRequest request)
    {
        var name = ImageEndpoints.ReferenceOf(request.Path("name"));
        if (request.Query("tag") is { } tag)
        {
            name = name.WithTag(tag);
        }

        if (name.Digest is not null)
        {
            throw EngineException.InvalidParameter("cannot push a digest reference");
        }

        var names = name.Tag is not null ? [name] : engine.Images.TagsOf(name);
        if (names.Count == 0)
        {
            throw EngineException.NotFound($"An image does not exist locally with the tag: {name.FamiliarName}");
        }

        var options = new PushOptions { Platform = ImageEndpoints.PlatformOf(request.Query("platform")), Credentials = RegistryAuth.Of(request) };
        await Progress(request, async (progress, send) =>
        {
            foreach (var one in names)
            {
                var pushed = await engine.Images.PushAsync(one, options, progress, request.Gone);
                send(new ProgressMessage
                {
                    Aux = System.Text.Json.JsonSerializer.SerializeToElement(
                        new PushAux { Tag = pushed.Tag, Digest = pushed.Digest.ToString(), Size = pushed.Size }, ApiJson.Default.PushAux),
                });
                engine.Events.Publish("image", "push", one.Familiar, new Dictionary<string, string> { ["name"] = one.FamiliarName });
            }
        });
    }

    public async Task Load(ApiRequest request)
    {
        var quiet = request.Flag("quiet", otherwise: true);
        var platforms = ImageEndpoints.PlatformsOf(request, "platform");
        await Progress(request, async (progress, send) =>
        {
            foreach (var image in await engine.Images.LoadAsync(request.BodyStream, platforms, quiet ? new Silent() : progress, request.Gone))
            {
                send(new ProgressMessage { Stream = image.Name is { } name ? $"Loaded image: {name}\n" : $"Loaded image ID: {image.Id}\n" });
                engine.Events.Publish("image", "load", image.Id.ToString(), new Dictionary<string, string> { ["name"] = image.Name ?? image.Id.ToString() });
            }
        });
    }

    public async Task Save(ApiRequest request, IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            throw EngineException.InvalidParameter("no image names given");
        }

        var platforms = ImageEndpoints.PlatformsOf(request, "platform");

        // Found before the head goes out: afterwards no status can say that one is missing. A repository's name alone stands for all its tags.
        foreach (var name in names.Where(n => !Reference.TryParse(n, out var r) || r.Tag is not null || r.Digest is not null || engine.Images.TagsOf(r).Count == 0))
        {
            foreach (var platform in platforms.DefaultIfEmpty())
            {
                _ = engine.Images.Get(name, platform);
            }
        }

        request.Http.Response.ContentType = "application/x-tar";
        await engine.Images.SaveAsync(names, request.Http.Response.Body, platforms, request.Gone);
        foreach (var name in names)
        {
            engine.Events.Publish("image", "save", name, new Dictionary<string, string> { ["name"] = name });
        }
    }

    /// <summary>One tag or digest; a repository's name alone means all its tags. The platform <c>all</c> keeps every one of an index.</summary>
    private async Task Pull(ApiRequest request, string text)
    {
        var tag = request.Query("tag");
        var name = ImageEndpoints.ReferenceOf(tag is null ? text : tag.Contains(':') ? $"{text}@{tag}" : $"{text}:{tag}");
        var platform = request.Query("platform");
        var options = new PullOptions
        {
            Platform = platform == AllPlatforms ? null : ImageEndpoints.PlatformOf(platform),
            AllPlatforms = platform == AllPlatforms,
            Credentials = RegistryAuth.Of(request),
        };
        await Progress(request, async (progress, _) =>
        {
            var names = name.Tag is not null || name.Digest is not null
                ? [name]
                : (await engine.Images.RemoteTagsAsync(name, options.Credentials, request.Gone)).Select(name.WithTag).ToList();
            if (names.Count == 0)
            {
                throw EngineException.NotFound($"repository {name.FamiliarName} has no tags");
            }

            foreach (var one in names)
            {
                await engine.Images.PullAsync(one, options, progress, request.Gone);
                engine.Events.Publish("image", "pull", one.Familiar, new Dictionary<string, string> { ["name"] = one.FamiliarName });
            }
        });
    }

    private async Task Import(ApiRequest request, string source)
    {
        var repository = request.Query("repo");
        var tag = request.Query("tag");
        var options = new ImportOptions
        {
            Name = repository is null ? null : ImageEndpoints.ReferenceOf(tag is null ? repository : $"{repository}:{tag}"),
            Message = request.Query("message"),
            Platform = ImageEndpoints.PlatformOf(request.Query("platform")),
            Config = Changes.Apply(request.QueryAll("changes")),
        };
        if (source != "-" && !(Uri.TryCreate(source, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"))
        {
            throw EngineException.InvalidParameter($"invalid source \"{source}\": it must be \"-\", for the request's body, or an http or https URL");
        }

        await Progress(request, async (progress, send) =>
        {
            var image = source == "-"
                ? await engine.Images.ImportAsync(request.BodyStream, options, request.Gone)
                : await engine.Images.ImportFromAsync(new Uri(source), options, progress, request.Gone);
            send(new ProgressMessage { Status = image.Id.ToString() });
            engine.Events.Publish("image", "import", image.Id.ToString(), new Dictionary<string, string>
            {
                ["name"] = options.Name?.WithDefaultTag().Familiar ?? image.Id.ToString(),
            });
        });
    }

    /// <summary>
    /// Runs a transfer, telling its progress line by line. A failure before the first line is an ordinary error; after it, the last line says it.
    /// </summary>
    internal static async Task Progress(ApiRequest request, Func<IProgress<ImageProgress>, Action<ProgressMessage>, Task> transfer)
    {
        var lines = Channel.CreateUnbounded<ProgressMessage>(new UnboundedChannelOptions { SingleReader = true });
        var withBars = request.Version < new ApiVersion(1, 48);
        var running = Run();
        var writer = default(System.IO.Pipelines.PipeWriter);
        await foreach (var line in lines.Reader.ReadAllAsync(request.Gone))
        {
            writer ??= await request.Stream("application/json");
            if (!await Lines.Write(writer, line, ApiJson.Default.ProgressMessage))
            {
                break;
            }
        }

        try
        {
            await running;
            if (writer is null)
            {
                await request.Stream("application/json");
            }
        }
        catch (Exception e) when (writer is not null && e is not OperationCanceledException)
        {
            var message = Errors.Message(e);
            await Lines.Write(writer, new ProgressMessage { Error = message, ErrorDetail = new ProgressError { Message = message } }, ApiJson.Default.ProgressMessage);
        }

        async Task Run()
        {
            try
            {
                await Task.Yield();
                await transfer(new Reporter(lines.Writer, withBars), line => lines.Writer.TryWrite(line));
            }
            finally
            {
                lines.Writer.TryComplete();
            }
        }
    }

    private sealed class Silent : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value)
        {
        }
    }

    private sealed class Reporter(ChannelWriter<ProgressMessage> to, bool withBars) : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value) => to.TryWrite(new ProgressMessage
        {
            Id = value.Id,
            Status = value.Status,
            ProgressDetail = value.Total > 0 || value.Current > 0
                ? new ProgressDetail { Current = value.Current, Total = value.Total > 0 ? value.Total : null }
                : value.Id is not null ? new ProgressDetail() : null,
            Progress = withBars && value.Total > 0 ? Bar(value.Current, value.Total) : null,
        });

        /// <summary>The bar that old clients print as it comes.</summary>
        private static string Bar(long current, long total)
        {
            var filled = (int)Math.Clamp(current * 50 / total, 0, 50);
            return $"[{new string('=', filled)}{(filled < 50 ? ">" : "")}{new string(' ', Math.Max(0, 49 - filled))}]";
        }
    }
}
