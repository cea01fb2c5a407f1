using Cais.BuildKit.Frontend;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.History;
using Cais.BuildKit.Sessions;
using Google.Protobuf.WellKnownTypes;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Builds;

/// <summary>
/// One build, from its <c>Solve</c> to its end, and what is known of it afterwards. A client that builds through the gateway solves any number of things in it and returns one.
/// </summary>
internal sealed class BuildJob : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _cancel;
    private readonly Dictionary<string, SolvedReference> _references = [];
    private readonly List<SolvedBuild> _solved = [];
    private readonly List<Action> _afterwards = [];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Moby.Buildkit.V1.Frontend.Result?> _returned = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public BuildJob(SolveRequest request, TimeProvider time, CancellationToken canceled)
    {
        Request = request;
        Log = new StatusLog(time);
        Progress = new JobProgress(Log);
        _cancel = CancellationTokenSource.CreateLinkedTokenSource(canceled);
        Record = new BuildHistoryRecord { Ref = request.Ref, Frontend = request.Frontend, CreatedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()) };
        Record.FrontendAttrs.Add(request.FrontendAttrs);
        Record.Exporters.Add(request.Exporters);
    }

    public SolveRequest Request { get; }

    public StatusLog Log { get; }

    public JobProgress Progress { get; }

    /// <summary>What the history says of it.</summary>
    public BuildHistoryRecord Record { get; }

    /// <summary>What is stated of its results, for the history.</summary>
    public IReadOnlyList<ResultStatement> Statements { get; set; } = [];

    /// <summary>The client's session, from when <see cref="Ready"/> has ended; null for a build without.</summary>
    public Session? Session { get; private set; }

    /// <summary>Ends when the build has its session: the gateway's calls may come before that.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Fires when the build is to stop: its call was canceled, its session lost.</summary>
    public CancellationToken Canceled => _cancel.Token;

    /// <summary>What the client returned through the gateway.</summary>
    public Task<Moby.Buildkit.V1.Frontend.Result?> Returned => _returned.Task;

    public bool IsComplete { get; private set; }

    public void Begin(Session? session)
    {
        Session = session;
        _ready.TrySetResult();
    }

    public void Cancel()
    {
        try
        {
            _cancel.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It is over.
        }
    }

    public void Return(Moby.Buildkit.V1.Frontend.Result? result) => _returned.TrySetResult(result);

    public void ReturnError(GrpcException error) => _returned.TrySetException(error);

    /// <summary>Keeps a result for the rest of the build, and names its parts.</summary>
    public void Keep(SolvedBuild solved)
    {
        lock (_gate)
        {
            _solved.Add(solved);
            foreach (var reference in solved.References)
            {
                _references[reference.Id] = reference;
            }
        }
    }

    /// <summary>Something to be done when the build is over and nothing of it is held any more.</summary>
    public void Afterwards(Action action)
    {
        lock (_gate)
        {
            _afterwards.Add(action);
        }
    }

    /// <summary>A result that was named by its id. Throws <see cref="GrpcException"/>.</summary>
    public SolvedReference Find(string id)
    {
        lock (_gate)
        {
            return _references.TryGetValue(id, out var found) ? found : throw new GrpcException(GrpcStatusCode.NotFound, $"no such ref: {id}");
        }
    }

    /// <summary>The build is over, and its results with it.</summary>
    public void Complete(GrpcException? error, IEnumerable<KeyValuePair<string, string>> response)
    {
        lock (_gate)
        {
            IsComplete = true;
            foreach (var solved in _solved)
            {
                solved.Dispose();
            }

            _solved.Clear();
            _references.Clear();
        }

        _ready.TrySetResult();
        _afterwards.ForEach(a => a());
        Log.Complete();
        Record.CompletedAt = Log.Now;
        Record.Error = error?.ToStatus();
        Record.NumTotalSteps = Log.Total;
        Record.NumCompletedSteps = Log.Completed;
        Record.NumCachedSteps = Log.Cached;
        Record.NumWarnings = Log.Warnings;
        foreach (var (name, value) in response)
        {
            Record.ExporterResponse[name] = value;
        }
    }

    public void Dispose() => _cancel.Dispose();
}
