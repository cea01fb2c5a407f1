using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace Cais.Daemon.Endpoints;

/// <summary>Connections that builds' commands have made to an SSH agent, and that wait for their client to take up the other end.</summary>
internal sealed class AgentConnections
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly ConcurrentDictionary<string, AgentConnection> _waiting = new();

    /// <summary>A name by which the client may take the connection up; if it does not, the connection is closed.</summary>
    public string Add(Socket socket)
    {
        var name = Guid.NewGuid().ToString("N");
        _waiting[name] = new AgentConnection(socket);
        _ = Expire(name);
        return name;
    }

    public AgentConnection? Take(string name) => _waiting.TryRemove(name, out var connection) ? connection : null;

    private async Task Expire(string name)
    {
        await Task.Delay(Patience);
        Take(name)?.Dispose();
    }
}

internal sealed class AgentConnection(Socket socket) : IDisposable
{
    /// <summary>Carries bytes both ways until both have ended.</summary>
    public async Task RelayAsync(IDuplexPipe client)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var up = ToClient(stream, client.Output);
            await client.Input.CopyToAsync(stream);
            socket.Shutdown(SocketShutdown.Send);
            await up;
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Either end is gone.
        }
    }

    public void Dispose() => socket.Dispose();

    private static async Task ToClient(NetworkStream from, PipeWriter to)
    {
        await from.CopyToAsync(to);
        await to.CompleteAsync();
    }
}
