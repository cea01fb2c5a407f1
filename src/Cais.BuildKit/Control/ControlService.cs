using Cais.BuildKit.Builds;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Gateway;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Google.Protobuf;
using Moby.Buildkit.V1;
using FrontendResult = Moby.Buildkit.V1.Frontend.Result;

namespace Cais.BuildKit.Control;

/// <summary>moby.buildkit.v1.Control: builds, their progress and history, and what the builder is and keeps.</summary>
internal sealed class ControlService(
    JobRegistry jobs, SessionRegistry sessions, DockerfileFrontend frontend, BuildOutputs outputs, WorkerDescription worker, CacheInventory inventory, TimeProvider time)
{
    private const string Service = "/moby.buildkit.v1.Control/";

    /// <summary>How long what belongs to a build may take to appear: its session, or the build itself for those who ask about it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public void Map(GrpcServer server)
    {
        server.MapUnary(Service + "Solve", SolveRequest.Parser, SolveAsync);
        server.Map(Service + "Status", StatusAsync);
        server.Map(Service + "Session", SessionAsync);
        server.MapUnary(Service + "ListWorkers", ListWorkersRequest.Parser, (_, _) => Task.FromResult<IMessage>(new ListWorkersResponse { Record = { worker.Describe() } }));
        server.MapUnary(Service + "Info", InfoRequest.Parser, (_, _) => Task.FromResult<IMessage>(new InfoResponse { BuildkitVersion = WorkerDescription.Version() }));
        server.MapUnary(Service + "DiskUsage", DiskUsageRequest.Parser, (request, _) => Task.FromResult<IMessage>(inventory.Usage(request)));
        server.Map(Service + "Prune", PruneAsync);
        server.Map(Service + "ListenBuildHistory", ListenAsync);
        server.MapUnary(Service + "UpdateBuildHistory", UpdateBuildHistoryRequest.Parser, UpdateHistoryAsync);
    }

    private async Task<IMessage> SolveAsync(SolveRequest request, GrpcCall call)
    {
        var job = new BuildJob(request, time, call.Canceled);
        jobs.Add(job);
        var response = new Dictionary<string, string>();
        GrpcException? error = null;
        try
        {
            job.Begin(request.Session.Length > 0 ? await sessions.FindAsync(request.Session, Patience, job.Canceled) : null);

            // Without its client nobody wants the build's result, and its files cannot be had.
            using var watch = job.Session?.Lost.Register(job.Cancel);
            var solved = await SolveAsync(job);
            if (solved is not null)
            {
                response = await outputs.ExportAsync(job, solved, job.Canceled);
            }

            return new SolveResponse { ExporterResponse = { response } };
        }
        catch (Exception e)
        {
            error = e is OperationCanceledException && job.Session is { Lost.IsCancellationRequested: true }
                ? new GrpcException(GrpcStatusCode.Canceled, "the client's session has ended: build canceled", e)
                : BuildErrors.Describe(e, null);
            throw error;
        }
        finally
        {
            job.Complete(error, response);
            jobs.Finish(job);
        }
    }

    private async Task<SolvedBuild?> SolveAsync(BuildJob job)
    {
        var request = job.Request;
        if (request.SourcePolicy is { Rules.Count: > 0 } || request.SourcePolicySession.Length > 0)
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, "source policies are not supported: a build that must obey one is not made without it");
        }

        if (request.Frontend == "dockerfile.v0")
        {
            var solved = await frontend.SolveAsync(job, request.FrontendAttrs, request.FrontendInputs, job.Canceled);
            job.Keep(solved);
            return solved;
        }

        if (request.Frontend.Length > 0)
        {
            throw GatewayService.UnknownFrontend(request.Frontend);
        }

        if (request.Definition is { Def.Count: > 0 })
        {
            throw GatewayService.NoOperations();
        }

        return await job.Returned.WaitAsync(job.Canceled) is { } result ? Resolve(job, result) : null;
    }

    /// <summary>What the client returned, which it knows by ids. Throws <see cref="GrpcException"/>.</summary>
    private static SolvedBuild? Resolve(BuildJob job, FrontendResult result)
    {
        List<string> ids = result.ResultCase switch
        {
            FrontendResult.ResultOneofCase.Ref => [result.Ref.Id],
            FrontendResult.ResultOneofCase.RefDeprecated => [result.RefDeprecated],
            FrontendResult.ResultOneofCase.Refs => [.. result.Refs.Refs.Values.Select(r => r.Id)],
            FrontendResult.ResultOneofCase.RefsDeprecated => [.. result.RefsDeprecated.Refs.Values],
            _ => [],
        };
        var solved = ids.Where(i => i.Length > 0).Select(i => job.Find(i).Solved).Distinct().ToList();
        return solved.Count <= 1
            ? solved.FirstOrDefault()
            : throw new GrpcException(GrpcStatusCode.Unimplemented, "results of several solves cannot be exported as one: solve for all platforms at once");
    }

    private async Task StatusAsync(GrpcCall call)
    {
        var request = await call.RequestAsync(StatusRequest.Parser);
        var job = await jobs.FindAsync(request.Ref, Patience, call.Canceled);
        await foreach (var status in job.Log.ReadAsync(call.Canceled))
        {
            await call.SendAsync(status, call.Canceled);
        }
    }

    /// <summary>A session inside this connection, for clients that have no other.</summary>
    private async Task SessionAsync(GrpcCall call)
    {
        await call.BeginAsync();
        using var ended = new CancellationTokenSource();
        var stream = CallStream.Over(call, BytesMessage.Parser, m => m.Data, d => new BytesMessage { Data = d }, () =>
        {
            try
            {
                ended.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It is over already.
            }
        });
        using var session = new Session(stream, SessionHeaders.Read(call.MetadataAll));
        sessions.Add(session);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(session.Lost, call.Canceled, ended.Token);
        await Task.Delay(Timeout.Infinite, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task PruneAsync(GrpcCall call)
    {
        var request = await call.RequestAsync(PruneRequest.Parser);
        foreach (var record in inventory.Prune(request))
        {
            await call.SendAsync(record, call.Canceled);
        }
    }

    /// <summary>Builds as they begin and end: those that there are, and unless the client wants no more, those to come.</summary>
    private async Task ListenAsync(GrpcCall call)
    {
        var request = await call.RequestAsync(BuildHistoryRequest.Parser);
        await call.BeginAsync();
        var told = new Dictionary<string, BuildHistoryEventType>();
        while (true)
        {
            var (all, changed) = jobs.List();
            var wanted = all.Where(j => (request.Ref.Length == 0 || j.Request.Ref == request.Ref) && (!request.ActiveOnly || !j.IsComplete)).ToList();
            if (request.Limit > 0 && wanted.Count > request.Limit)
            {
                wanted = wanted[^request.Limit..];
            }

            foreach (var job in wanted)
            {
                var type = job.IsComplete ? BuildHistoryEventType.Complete : BuildHistoryEventType.Started;
                if (!told.TryGetValue(job.Request.Ref, out var last) || last != type)
                {
                    told[job.Request.Ref] = type;
                    await call.SendAsync(new BuildHistoryEvent { Type = type, Record = job.Record }, call.Canceled);
                }
            }

            foreach (var gone in told.Keys.Where(r => !request.ActiveOnly && all.All(j => j.Request.Ref != r)).ToList())
            {
                told.Remove(gone);
                await call.SendAsync(new BuildHistoryEvent { Type = BuildHistoryEventType.Deleted, Record = new BuildHistoryRecord { Ref = gone } }, call.Canceled);
            }

            if (request.EarlyExit)
            {
                return;
            }

            await changed.WaitAsync(call.Canceled);
        }
    }

    private async Task<IMessage> UpdateHistoryAsync(UpdateBuildHistoryRequest request, GrpcCall call)
    {
        if (request.Delete)
        {
            jobs.Delete(request.Ref);
        }
        else if (!request.Finalize)
        {
            (await jobs.FindAsync(request.Ref, TimeSpan.Zero, call.Canceled)).Record.Pinned = request.Pinned;
        }

        return new UpdateBuildHistoryResponse();
    }
}
