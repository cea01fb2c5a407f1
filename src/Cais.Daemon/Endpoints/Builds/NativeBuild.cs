using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Cais.Api;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Solving;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Images;
using Cais.Images.Building;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// The door of <c>cais build</c>: the client sends the list of its files, then those that are wanted, then the command (POST /build/solve), whose answer is a
/// stream of events. What goes the other way in between, outputs and SSH connections, has requests of its own.
/// </summary>
internal sealed class NativeBuildEndpoints(CaisEngine engine)
{
    /// <summary>How long an archive waits for its build.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, PendingOutput> _outputs = new();
    private readonly ConcurrentDictionary<string, ContextFolder> _archives = new();
    private readonly AgentConnections _agents = new();

    public void Map(Router router)
    {
        router.Map("POST", "/build/contexts", OfferAsync);
        router.Map("PUT", "/build/contexts/{token}", ReceiveAsync);
        router.Map("POST", "/build/solve", SolveAsync);
        router.Map("GET", "/build/outputs/{token}", FetchAsync);
        router.Map("POST", "/build/agents/{connection}", ConnectAsync);
    }

    private async Task OfferAsync(ApiRequest request)
    {
        if (request.Flag("tar"))
        {
            var folder = await engine.Builds.Contexts.UnpackAsync(request.BodyStream, request.Gone);
            var token = Guid.NewGuid().ToString("N");
            _archives[token] = folder;
            _ = ExpireAsync(token);
            await request.Answer(new ContextOffer { Token = token, Needed = [] }, ApiJson.Default.ContextOffer);
            return;
        }

        var id = request.Query("id") ?? throw EngineException.InvalidParameter("a context needs an id");
        var context = await engine.Builds.Synced.OfferAsync(id, request.BodyStream, request.Gone);
        await request.Answer(new ContextOffer { Token = context.Token, Needed = context.Needed }, ApiJson.Default.ContextOffer);
    }

    private async Task ExpireAsync(string token)
    {
        await Task.Delay(Patience);
        if (_archives.TryRemove(token, out var folder))
        {
            folder.Dispose();
        }
    }

    private async Task ReceiveAsync(ApiRequest request)
    {
        var token = request.Path("token");
        try
        {
            await engine.Builds.Synced.Get(token).ReceiveAsync(request.BodyStream, request.Gone);
        }
        catch
        {
            engine.Builds.Synced.Forget(token);
            throw;
        }

        await request.Empty(204);
    }

    private async Task FetchAsync(ApiRequest request)
    {
        if (!_outputs.TryRemove(request.Path("token"), out var output))
        {
            throw EngineException.NotFound("no such build output");
        }

        request.Http.Response.ContentType = "application/x-tar";
        try
        {
            await output.Write(request.Http.Response.Body, request.Gone);
            output.Done.TrySetResult();
        }
        catch (Exception e)
        {
            output.Done.TrySetException(e);
            throw;
        }
    }

    private async Task ConnectAsync(ApiRequest request)
    {
        var connection = _agents.Take(request.Path("connection")) ?? throw EngineException.NotFound("no such connection");
        var pipe = await request.Hijack("application/vnd.docker.raw-stream");
        await connection.RelayAsync(pipe);
    }

    private async Task SolveAsync(ApiRequest request)
    {
        var command = await request.Json(ApiJson.Default.BuildCommand);
        using var client = await NativeClient.OpenAsync(engine, command, _agents, _archives, request.Gone);
        var build = client.Request;
        var lines = Channel.CreateUnbounded<BuildEvent>(new UnboundedChannelOptions { SingleReader = true });
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(request.Gone);
        client.Events = lines.Writer;
        var progress = new EventProgress(lines.Writer, engine.Time);
        var working = WorkAsync(command, build, client, progress, lines.Writer, gone.Token);
        var writer = await request.Stream("application/json");
        await foreach (var line in lines.Reader.ReadAllAsync())
        {
            if (!await Lines.Write(writer, line, ApiJson.Default.BuildEvent))
            {
                await gone.CancelAsync();
                break;
            }
        }

        await working;
    }

    private async Task WorkAsync(
        BuildCommand command, BuildRequest build, NativeClient client, EventProgress progress, ChannelWriter<BuildEvent> lines, CancellationToken cancellation)
    {
        try
        {
            await Task.Yield();
            if (command.CheckOnly == true)
            {
                var plan = await engine.Builds.PlanAsync(build, client, progress, cancellation);
                progress.Warn(plan.Findings, build.Dockerfile!);
                return;
            }

            using var result = await engine.Builds.SolveAsync(build, client, progress, cancellation);
            progress.Warn(result.Findings, build.Dockerfile!);
            await client.ExportCacheAsync(result, progress, cancellation);
            for (var i = 0; i < client.CacheTo.Count; i++)
            {
                var target = client.CacheTo[i];
                if (target.Type == "local")
                {
                    await OfferOutputAsync(-1 - i, (to, stop) => engine.Builds.Exporter.WriteCacheAsync(result, target, to, stop), "exporting cache to client directory", progress, lines, cancellation);
                }
            }

            var outputs = command.Outputs is { Count: > 0 } given ? given : [new BuildOutput { Type = "image" }];
            for (var i = 0; i < outputs.Count; i++)
            {
                await ExportAsync(outputs[i], i, command, result, client, progress, lines, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Nobody is listening.
        }
        catch (Exception e) when (e is StepFailedException or DockerfileException or ImageException or ImageFormatException or EngineException or IOException or Linux.LinuxException or FormatException)
        {
            lines.TryWrite(new BuildEvent { Failure = Describe(e, build) });
        }
        finally
        {
            lines.TryComplete();
        }
    }

    private static BuildFailure Describe(Exception e, BuildRequest build) => e switch
    {
        StepFailedException step => new BuildFailure
        {
            Message = step.Message,
            Vertex = step.Step.Digest.ToString(),
            ExitCode = step.ExitCode,
            Excerpt = step.Step.Range.Start.Line > 0 ? build.Dockerfile!.Excerpt(step.Step.Range) : null,
            Hint = step is { ExitCode: not null, Step: RunStep run }
                ? string.Create(CultureInfo.InvariantCulture, $"To reproduce: build what stands before line {run.Range.Start.Line} and run in it: {ShellWords.Quote(run.Arguments)}")
                : null,
        },
        DockerfileException wrong => new BuildFailure { Message = wrong.Message, Excerpt = wrong.Excerpt.Length > 0 ? wrong.Excerpt : null },
        _ => new BuildFailure { Message = Errors.Message(e) },
    };

    private async Task ExportAsync(
        BuildOutput output, int number, BuildCommand command, BuildResult result, NativeClient client, EventProgress progress, ChannelWriter<BuildEvent> lines, CancellationToken cancellation)
    {
        var attributes = output.Attributes ?? new Dictionary<string, string>();
        var names = (attributes.GetValueOrDefault("name") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(ImageEndpoints.ReferenceOf).ToList();
        var isSent = output.Type is "registry" or "oci" || attributes.ContainsKey("dest") || attributes.GetValueOrDefault("push") is "true" or "1";
        var export = client.ExportOf(names, attributes, result) with
        {
            Compression = attributes.GetValueOrDefault("compression") switch
            {
                "uncompressed" => LayerCompression.None,
                "gzip" or "estargz" => LayerCompression.Gzip,
                "zstd" => LayerCompression.Zstd,
                null or "" => isSent ? LayerCompression.Gzip : LayerCompression.None,
                var other => throw EngineException.InvalidParameter($"unsupported layer compression type: {other}"),
            },
        };
        switch (output.Type)
        {
            case "cacheonly":
                break;
            case "image" or "registry" or "docker" when !attributes.ContainsKey("dest"):
                var image = await engine.Builds.Exporter.StoreAsync(result, export, progress, cancellation);
                lines.TryWrite(new BuildEvent
                {
                    Image = new BuildImage
                    {
                        Id = image.Id.ToString(),
                        ConfigDigest = image.Manifest.Config.Digest.ToString(),
                        MediaType = image.Target.MediaType,
                        Size = image.Target.Size,
                        Names = names.ConvertAll(n => n.WithDefaultTag().ToString()),
                    },
                });
                if (output.Type == "registry" || attributes.GetValueOrDefault("push") is "true" or "1")
                {
                    await client.PushAsync(names, progress, cancellation);
                }

                break;
            case "tar" or "local":
                await OfferOutputAsync(number, (to, stop) => BuildExporter.WriteTreeAsync(result, to, stop), output.Type == "tar" ? "sending tarball" : "copying files", progress, lines, cancellation);
                break;
            case "oci" or "docker":
                await OfferOutputAsync(
                    number, (to, stop) => engine.Builds.Exporter.WriteArchiveAsync(result, export, to, progress, stop), $"exporting to {output.Type} image format", progress, lines, cancellation);
                break;
            default:
                throw EngineException.InvalidParameter($"unknown output type \"{output.Type}\": image, registry, docker, oci, tar, local and cacheonly are known");
        }
    }

    private async Task OfferOutputAsync(
        int number, Func<Stream, CancellationToken, Task> write, string what, EventProgress progress, ChannelWriter<BuildEvent> lines, CancellationToken cancellation)
    {
        var activity = new ActivityStep(what);
        progress.Started(activity);
        var token = Guid.NewGuid().ToString("N");
        var output = new PendingOutput(write);
        _outputs[token] = output;
        try
        {
            lines.TryWrite(new BuildEvent { Fetch = new BuildFetch { Token = token, Output = number } });
            await output.Done.Task.WaitAsync(cancellation);
            progress.Completed(activity, wasCached: false, null);
        }
        catch (Exception e)
        {
            progress.Completed(activity, wasCached: false, e);
            throw;
        }
        finally
        {
            _outputs.TryRemove(token, out _);
        }
    }

    private sealed record PendingOutput(Func<Stream, CancellationToken, Task> Write)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>A command line as a shell takes it.</summary>
internal static class ShellWords
{
    public static string Quote(IEnumerable<string> words) => string.Join(' ', words.Select(w =>
        w.Length > 0 && w.All(c => char.IsAsciiLetterOrDigit(c) || "-_./=:,+@%".Contains(c, StringComparison.Ordinal)) ? w : $"'{w.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
}
