using System.Diagnostics.CodeAnalysis;
using Cais.BuildKit.Grpc;

namespace Cais.BuildKit.Sessions;

/// <summary>The clients' sessions that are open now, by their ids.</summary>
internal sealed class SessionRegistry
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Session> _sessions = [];
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>Adds a session for as long as its connection lasts. Throws <see cref="GrpcException"/> if the id is taken.</summary>
    public void Add(Session session)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            if (!_sessions.TryAdd(session.Id, session))
            {
                throw new GrpcException(GrpcStatusCode.AlreadyExists, $"session {session.Id} already exists");
            }

            (changed, _changed) = (_changed, NewSignal());
        }

        changed.SetResult();
        session.Lost.Register(() => Remove(session));
    }

    /// <summary>
    /// The session of an id. It may be on its way: clients open it and ask for a build at the same time. Throws <see cref="GrpcException"/> (NotFound)
    /// if it has not come after <paramref name="patience"/>.
    /// </summary>
    public async Task<Session> FindAsync(string id, TimeSpan patience, CancellationToken cancellation)
    {
        // "context:abc" tells apart what is asked of one session.
        var colon = id.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0 && colon < id.Length - 1)
        {
            id = id[(colon + 1)..];
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(patience);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_sessions.TryGetValue(id, out var session))
                {
                    return session;
                }

                changed = _changed.Task;
            }

            try
            {
                await changed.WaitAsync(timeout.Token);
            }
            catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
            {
                throw new GrpcException(GrpcStatusCode.NotFound, $"no active session for {id}: context deadline exceeded", e);
            }
        }
    }

    public bool TryFind(string id, [NotNullWhen(true)] out Session? session)
    {
        lock (_gate)
        {
            return _sessions.TryGetValue(id, out session);
        }
    }

    private void Remove(Session session)
    {
        lock (_gate)
        {
            if (_sessions.TryGetValue(session.Id, out var found) && found == session)
            {
                _sessions.Remove(session.Id);
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
