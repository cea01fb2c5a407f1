using System.Threading.Channels;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>Images that come and go: pull, push, import, load and save.</summary>
internal sealed class ImageTransfers(CaisEngine engine)
{
    /// <summary>POST /images/create: a pull, or an import when there is a source.</summary>
    public Task Create(ApiRequest request) => request.Query("fromImage") is { } name ? Pull(request, name)
        : request.Query("fromSrc") is { } source ? Import(request, source)
        : throw EngineException.InvalidParameter("either fromImage or fromSrc must be given");

    public async Task Push(ApiRequest request)
    {
        var name = ImageEndpoints.ReferenceOf(request.Path("name"));
        if (request.Query("tag") is { } tag)
        {
            name = name.WithTag(tag);
        }
        else if (name.Tag is null)
        {
            name = name.WithDefaultTag();
        }

        var options = new PushOptions { Platform = ImageEndpoints.PlatformOf(request.Query("platform")), Credentials = ImageEndpoints.CredentialsOf(request) };
        await Progress(request, async (progress, send) =>
        {
            send(new ProgressMessage { Status = $"The push refers to repository [{name.Name}]" });
            var pushed = await engine.Images.PushAsync(name, options, progress, request.Gone);
            send(new ProgressMessage { Status = $"{pushed.Tag}: digest: {pushed.Digest} size: {pushed.Size}" });
            send(new ProgressMessage
            {
                Aux = System.Text.Json.JsonSerializer.SerializeToElement(
                    new PushAux { Tag = pushed.Tag, Digest = pushed.Digest.ToString(), Size = pushed.Size }, ApiJson.Default.PushAux),
            });
            engine.Events.Publish("image", "push", name.Familiar, new Dictionary<string, string> { ["name"] = name.FamiliarName });
        });
    }

    public async Task Load(ApiRequest request)
    {
        var quiet = request.Flag("quiet", otherwise: true);
        await Progress(request, async (progress, send) =>
        {
            foreach (var image in await engine.Images.LoadAsync(request.BodyStream, quiet ? new Silent() : progress, request.Gone))
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

        // Found before the head goes out: afterwards no status can say that one is missing.
        foreach (var name in names)
        {
            _ = engine.Images.Get(name);
        }

        request.Http.Response.ContentType = "application/x-tar";
        await engine.Images.SaveAsync(names, request.Http.Response.Body, ImageEndpoints.PlatformOf(request.Query("platform")), request.Gone);
        foreach (var name in names)
        {
            engine.Events.Publish("image", "save", name, new Dictionary<string, string> { ["name"] = name });
        }
    }

    private async Task Pull(ApiRequest request, string text)
    {
        var tag = request.Query("tag");
        var name = ImageEndpoints.ReferenceOf(tag is null ? text : tag.Contains(':') ? $"{text}@{tag}" : $"{text}:{tag}");
        var options = new PullOptions { Platform = ImageEndpoints.PlatformOf(request.Query("platform")), Credentials = ImageEndpoints.CredentialsOf(request) };
        name = name.WithDefaultTag();
        await Progress(request, async (progress, _) =>
        {
            await engine.Images.PullAsync(name, options, progress, request.Gone);
            engine.Events.Publish("image", "pull", name.Familiar, new Dictionary<string, string> { ["name"] = name.FamiliarName });
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
        if (source != "-")
        {
            throw EngineException.NotImplemented("importing from a URL is not supported: download the archive and pass it as the request's body");
        }

        await Progress(request, async (_, send) =>
        {
            var image = await engine.Images.ImportAsync(request.BodyStream, options, request.Gone);
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
    private static async Task Progress(ApiRequest request, Func<IProgress<ImageProgress>, Action<ProgressMessage>, Task> transfer)
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
