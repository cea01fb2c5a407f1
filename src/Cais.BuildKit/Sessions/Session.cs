using Cais.BuildKit.Grpc;
using Grpc.Health.V1;
using Moby.Filesync.V1;
using Moby.Buildkit.Secrets.V1;

namespace Cais.BuildKit.Sessions;

/// <summary>
/// A client's open session: a connection on which the client serves gRPC and the daemon calls. Through it come the client's files, secrets, agents
/// and credentials, and go results. It ends when the connection does.
/// </summary>
internal sealed class Session : IDisposable
{
    /// <summary>How often a client is asked whether it is still there, and how long it may take to say so: a connection can die without a word.</summary>
    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HealthPatience = TimeSpan.FromSeconds(30);

    private readonly HashSet<string> _methods;
    private readonly GrpcChannel _channel;

    /// <summary>Opens a session over a connection, which it owns from now on. Throws <see cref="GrpcException"/> if there is no id.</summary>
    public Session(Stream connection, SessionHeaders headers)
    {
        Id = headers.Id is { Length: > 0 } id ? id : throw new GrpcException(GrpcStatusCode.InvalidArgument, $"a session needs an id: {SessionHeaders.IdName} is missing");
        Name = headers.Name;
        SharedKey = headers.SharedKey;
        _methods = new HashSet<string>(headers.Methods, StringComparer.OrdinalIgnoreCase);
        _channel = new GrpcChannel(connection);
        _ = WatchAsync();
    }

    public string Id { get; }

    public string Name { get; }

    /// <summary>Tells which files of which client the session's are, so that only what changed since an earlier build is sent.</summary>
    public string SharedKey { get; }

    /// <summary>Fires when the session has ended.</summary>
    public CancellationToken Lost => _channel.Lost;

    /// <summary>Whether the client serves a method, <c>/package.Service/Method</c>.</summary>
    public bool Serves(string method) => _methods.Contains(method);

    /// <summary>Begins a call. Throws <see cref="GrpcException"/> if the client does not serve the method.</summary>
    public GrpcClientCall Begin(string method, IEnumerable<KeyValuePair<string, IReadOnlyList<string>>>? metadata, CancellationToken cancellation)
    {
        Demand(method);
        return _channel.Begin(method, metadata, cancellation);
    }

    /// <summary>A secret, or null if the client has none of that name.</summary>
    public async Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation)
    {
        const string method = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
        if (!Serves(method))
        {
            return null;
        }

        try
        {
            var answer = await _channel.CallAsync(method, new GetSecretRequest { ID = id }, GetSecretResponse.Parser, cancellation);
            return answer.Data.Memory;
        }
        catch (GrpcException e) when (e.Code is GrpcStatusCode.NotFound or GrpcStatusCode.Unimplemented)
        {
            return null;
        }
    }

    /// <summary>A login for a registry's host, or null.</summary>
    public async Task<CredentialsResponse?> FindCredentialsAsync(string host, CancellationToken cancellation)
    {
        const string method = "/moby.filesync.v1.Auth/Credentials";
        if (!Serves(method))
        {
            return null;
        }

        try
        {
            var answer = await _channel.CallAsync(method, new CredentialsRequest { Host = host }, CredentialsResponse.Parser, cancellation);
            return answer.Username.Length > 0 || answer.Secret.Length > 0 ? answer : null;
        }
        catch (GrpcException e) when (e.Code is GrpcStatusCode.NotFound or GrpcStatusCode.Unimplemented)
        {
            return null;
        }
    }

    /// <summary>Ends the session from this side.</summary>
    public void Dispose() => _channel.Dispose();

    private void Demand(string method)
    {
        if (!Serves(method))
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, $"method {method} not supported by the client");
        }
    }

    private async Task WatchAsync()
    {
        const string method = "/grpc.health.v1.Health/Check";
        if (!Serves(method))
        {
            return;
        }

        try
        {
            using var timer = new PeriodicTimer(HealthInterval);
            while (await timer.WaitForNextTickAsync(Lost))
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(Lost);
                patience.CancelAfter(HealthPatience);
                await _channel.CallAsync(method, new HealthCheckRequest(), HealthCheckResponse.Parser, patience.Token);
            }
        }
        catch (Exception e) when (e is GrpcException or OperationCanceledException)
        {
            _channel.Dispose();
        }
    }
}
