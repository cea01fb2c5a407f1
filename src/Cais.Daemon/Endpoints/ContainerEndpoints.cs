using System.Globalization;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>/containers</summary>
internal sealed class ContainerEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("GET", "/containers/json", List);
        router.Map("POST", "/containers/create", Create);
        router.Map("POST", "/containers/prune", async r => await r.Answer(await engine.Prune(r.Filters()), ApiJson.Default.ContainerPruneResponse));
        router.Map("GET", "/containers/{id*}/json", r => r.Answer(Inspect(r), ApiJson.Default.ContainerInspectResponse));
        router.Map("GET", "/containers/{id}/top", Top);
        router.Map("GET", "/containers/{id}/logs", new LogStream(engine).Serve);
        router.Map("GET", "/containers/{id}/stats", new StatsStream(engine).Serve);
        router.Map("POST", "/containers/{id}/start", Start);
        router.Map("POST", "/containers/{id}/stop", r => Change(r, c => engine.Stop(c, r.Query("signal"), r.Integer("t"), r.Gone)));
        router.Map("POST", "/containers/{id}/restart", r => Change(r, c => engine.Restart(c, r.Query("signal"), r.Integer("t"), r.Gone)));
        router.Map("POST", "/containers/{id}/kill", r => Change(r, c => engine.Kill(c, r.Query("signal"))));
        router.Map("POST", "/containers/{id}/pause", r => Change(r, engine.Pause));
        router.Map("POST", "/containers/{id}/unpause", r => Change(r, engine.Unpause));
        router.Map("POST", "/containers/{id}/rename", r => Change(r, c => engine.Rename(c, r.Query("name") ?? "")));
        router.Map("POST", "/containers/{id}/update", Update);
        router.Map("POST", "/containers/{id}/resize", Resize);
        router.Map("POST", "/containers/{id}/wait", Wait);
        router.Map("POST", "/containers/{id}/attach", Attach);
        router.Map("GET", "/containers/{id}/attach/ws", AttachWebSocket);
        router.Map("POST", "/commit", Commit);
        new ArchiveEndpoints(engine).Map(router);
        new CheckpointEndpoints(engine).Map(router);

        // The last of all: a link's name has a slash in it.
        router.Map("DELETE", "/containers/{id*}", Remove);
    }

    /// <summary>The terminal's size from the query, as two numbers.</summary>
    internal static (uint Height, uint Width) SizeOf(ApiRequest request)
    {
        static uint Number(ApiRequest request, string name)
        {
            var text = request.Query(name) ?? "";
            return uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw EngineException.InvalidParameter($"invalid resize {(name == "h" ? "height" : "width")} \"{text}\": invalid syntax");
        }

        return (Number(request, "h"), Number(request, "w"));
    }

    private Container Find(ApiRequest request) => engine.Get(request.Path("id"));

    private async Task List(ApiRequest request)
    {
        var size = request.Flag("size");
        var containers = engine.List(request.Filters(), request.Flag("all"), request.Integer("limit"));
        IReadOnlyList<ContainerSummary> summaries = [.. containers.Select(c => engine.Summarize(c, size)).Select(s => Older.Adapt(s, request.Version))];
        await request.Answer(summaries, ApiJson.Default.IReadOnlyListContainerSummary);
    }

    private async Task Create(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.ContainerCreateRequest);
        if (body is { Image: null, Cmd: null, Entrypoint: null, HostConfig: null, Env: null })
        {
            throw EngineException.InvalidParameter("config cannot be empty in order to create a container");
        }

        if (body.NetworkingConfig?.EndpointsConfig is { Count: > 1 } several && request.Version < new ApiVersion(1, 44))
        {
            throw EngineException.InvalidParameter(
                $"Container cannot be created with multiple network endpoints: {string.Join(", ", several.Keys.Order(StringComparer.Ordinal))}");
        }

        if (body.MacAddress is { Length: > 0 } && request.Version >= new ApiVersion(1, 52))
        {
            throw EngineException.InvalidParameter("container-wide MacAddress is not supported since API v1.52: set it on the endpoint of a network");
        }

        var (container, warnings) = await engine.Create(
            new CreateContainer
            {
                Name = request.Query("name"),
                Platform = request.Query("platform"),
                Config = Older.Read(ConfigOf(body), request.Version),
                HostConfig = Older.Read(body.HostConfig ?? new HostConfig(), request.Version, engine.Host.CgroupVersion),
                Networks = body.NetworkingConfig?.EndpointsConfig?.ToDictionary(e => e.Key, e => e.Value ?? new EndpointSettings())
                    ?? new Dictionary<string, EndpointSettings>(),
            },
            request.Gone);
        await request.Answer(new ContainerCreateResponse { Id = container.Id, Warnings = warnings }, ApiJson.Default.ContainerCreateResponse, 201);
    }

    private static ContainerConfig ConfigOf(ContainerCreateRequest body) => new()
    {
        Hostname = body.Hostname,
        Domainname = body.Domainname,
        User = body.User,
        AttachStdin = body.AttachStdin,
        AttachStdout = body.AttachStdout,
        AttachStderr = body.AttachStderr,
        ExposedPorts = body.ExposedPorts,
        Tty = body.Tty,
        OpenStdin = body.OpenStdin,
        StdinOnce = body.StdinOnce,
        Env = body.Env,
        Cmd = body.Cmd,
        Healthcheck = body.Healthcheck,
        ArgsEscaped = body.ArgsEscaped,
        Image = body.Image,
        Volumes = body.Volumes,
        WorkingDir = body.WorkingDir,
        Entrypoint = body.Entrypoint,
        NetworkDisabled = body.NetworkDisabled,
        MacAddress = body.MacAddress,
        OnBuild = body.OnBuild,
        Labels = body.Labels,
        StopSignal = body.StopSignal,
        StopTimeout = body.StopTimeout,
        Shell = body.Shell,
    };

    private ContainerInspectResponse Inspect(ApiRequest request) => Older.Adapt(engine.Inspect(Find(request), request.Flag("size")), request.Version);

    private async Task Top(ApiRequest request) =>
        await request.Answer(await engine.Top(Find(request), request.Query("ps_args") ?? "-ef", request.Gone), ApiJson.Default.ContainerTopResponse);

    private async Task Start(ApiRequest request)
    {
        if (request.Http.Request.ContentLength is > 7)
        {
            throw EngineException.InvalidParameter("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
        }

        var container = Find(request);
        if (request.Query("checkpoint") is { } checkpoint)
        {
            if (!engine.Options.Experimental)
            {
                throw EngineException.InvalidParameter("checkpoint is only supported in experimental mode");
            }

            await engine.Start(container, checkpoint, request.Query("checkpoint-dir"));
        }
        else
        {
            await engine.Start(container);
        }

        await request.Empty(204);
    }

    private async Task Change(ApiRequest request, Func<Container, Task> change)
    {
        await change(Find(request));
        await request.Empty(204);
    }

    private async Task Update(ApiRequest request)
    {
        var change = Older.Read(await request.Json(ApiJson.Default.ContainerUpdateRequest), request.Version);
        var warnings = await engine.Update(Find(request), change);
        await request.Answer(new ContainerUpdateResponse { Warnings = warnings }, ApiJson.Default.ContainerUpdateResponse);
    }

    private async Task Resize(ApiRequest request)
    {
        var (height, width) = SizeOf(request);
        await engine.Resize(Find(request), height, width);
        await request.Empty(200);
    }

    /// <summary>The head goes out at once, so that a client knows it is being waited; the body when the time has come.</summary>
    private async Task Wait(ApiRequest request)
    {
        var container = Find(request);
        var condition = request.Query("condition") ?? "not-running";
        var wait = condition switch
        {
            "not-running" => container.NotRunning,
            "next-exit" => container.NextStop,
            "removed" => container.Removed,
            _ => throw EngineException.InvalidParameter($"invalid condition: \"{condition}\""),
        };
        var writer = await request.Stream("application/json");
        var status = await wait.WaitAsync(request.Gone);
        await Lines.Write(writer, new ContainerWaitResponse { StatusCode = status.ExitCode }, ApiJson.Default.ContainerWaitResponse);
    }

    private async Task Attach(ApiRequest request)
    {
        var container = Find(request);
        var wanted = AttachOf(request, container) with
        {
            Stdin = request.Flag("stdin"),
            Stdout = request.Flag("stdout"),
            Stderr = request.Flag("stderr"),
        };
        if (!wanted.Stdin && !wanted.Stdout && !wanted.Stderr && !wanted.Logs && !wanted.Stream)
        {
            throw EngineException.InvalidParameter("bad parameters: you must choose at least one stream");
        }

        var pipe = await request.Hijack(request.StreamType(framed: wanted.Framed));
        await engine.Attach(container, wanted, pipe);
    }

    /// <summary>The same over a WebSocket, whose messages are never framed. Before API 1.42 it always had all three streams.</summary>
    private async Task AttachWebSocket(ApiRequest request)
    {
        var container = Find(request);
        var all = request.Version < new ApiVersion(1, 42);
        var wanted = AttachOf(request, container) with
        {
            Stdin = all || request.Flag("stdin"),
            Stdout = all || request.Flag("stdout"),
            Stderr = all || request.Flag("stderr"),
            Framed = false,
        };
        await using var pipe = await WebSocketPipe.Accept(request);
        await engine.Attach(container, wanted, pipe);
    }

    private static AttachRequest AttachOf(ApiRequest request, Container container)
    {
        var keys = CaisEngine.ParseDetachKeys(request.Query("detachKeys"));
        switch (container.Status.Phase)
        {
            case Phase.Paused:
                throw EngineException.Conflict($"container {container.Id} is paused, unpause the container before attach");
            case Phase.Restarting:
                throw EngineException.Conflict($"container {container.Id} is restarting, wait until the container is running");
        }

        return new AttachRequest
        {
            Logs = request.Flag("logs"),
            Stream = request.Flag("stream"),
            DetachKeys = keys,
            Framed = container.Record.Config.Tty != true,
        };
    }

    private async Task Commit(ApiRequest request)
    {
        var container = engine.Get(request.Query("container") ?? "");
        var body = await request.OptionalJson(ApiJson.Default.ContainerConfig);
        var changes = request.QueryAll("changes");
        var image = await engine.Commit(
            container,
            new CommitContainer
            {
                Name = NameOf(request),
                Author = request.Query("author"),
                Comment = request.Query("comment"),
                Pause = request.Flag("pause", otherwise: true),
                Config = body,
                Change = config => Changes.Apply(changes, config)!,
            },
            CancellationToken.None);
        await request.Answer(new IDResponse { Id = image.Id.ToString() }, ApiJson.Default.IDResponse, 201);
    }

    private static Reference? NameOf(ApiRequest request)
    {
        if (request.Query("repo") is not { } repository)
        {
            return null;
        }

        var text = request.Query("tag") is { } tag ? $"{repository}:{tag}" : repository;
        return Reference.TryParse(text, out var name) && name.Digest is null
            ? name
            : throw EngineException.InvalidParameter($"invalid reference format: {text}");
    }

    private async Task Remove(ApiRequest request)
    {
        if (request.Flag("link"))
        {
            await engine.RemoveLink(request.Path("id"));
        }
        else
        {
            await engine.Remove(Find(request), request.Flag("force"), request.Flag("v"));
        }

        await request.Empty(204);
    }
}
