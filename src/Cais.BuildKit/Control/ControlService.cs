using Cais.BuildKit.Builds;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.History;
using Cais.BuildKit.Operations;
using Cais.BuildKit.Sessions;
using Google.Protobuf;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Control;

/// <summary>moby.buildkit.v1.Control: builds, their progress and history, and what the builder is and keeps.</summary>
internal sealed class ControlService(
    JobRegistry jobs, BuildHistory history, SessionRegistry sessions, Frontends frontends, BuildOutputs outputs, WorkerDescription worker, CacheInventory inventory, TimeProvider time)
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
                job.Statements = outputs.Statements(solved);
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

        if (request.Frontend.Length > 0 || request.Definition is { Def.Count: > 0 })
        {
            return await frontends.SolveAsync(job, request.Frontend, request.Definition, request.FrontendAttrs, request.FrontendInputs, job.Canceled);
        }

        return await job.Returned.WaitAsync(job.Canceled) is { } result ? GraphFrontend.Combine(job, result) : null;
    }

    private async Task StatusAsync(GrpcCall call)
    {
        var request = await call.RequestAsync(StatusRequest.Parser);
        var (job, record) = await jobs.FindAnyAsync(request.Ref, Patience, call.Canceled);
        await foreach (var status in job is not null ? job.Log.ReadAsync(call.Canceled) : history.ReadLogAsync(record!, call.Canceled))
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
            var wanted = all.Where(r => (request.Ref.Length == 0 || r.Ref == request.Ref) && (!request.ActiveOnly || r.CompletedAt is null)).ToList();
            if (request.Limit > 0 && wanted.Count > request.Limit)
            {
                wanted = wanted[^request.Limit..];
            }

            foreach (var record in wanted)
            {
                var type = record.CompletedAt is null ? BuildHistoryEventType.Started : BuildHistoryEventType.Complete;
                if (!told.TryGetValue(record.Ref, out var last) || last != type)
                {
                    told[record.Ref] = type;
                    await call.SendAsync(new BuildHistoryEvent { Type = type, Record = record }, call.Canceled);
                }
            }

            foreach (var gone in told.Keys.Where(r => !request.ActiveOnly && all.All(record => record.Ref != r)).ToList())
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

    private Task<IMessage> UpdateHistoryAsync(UpdateBuildHistoryRequest request, GrpcCall call)
    {
        if (request.Delete)
        {
            jobs.Delete(request.Ref);
        }
        else if (!request.Finalize)
        {
            jobs.Pin(request.Ref, request.Pinned);
        }

        return Task.FromResult<IMessage>(new UpdateBuildHistoryResponse());
    }
}
