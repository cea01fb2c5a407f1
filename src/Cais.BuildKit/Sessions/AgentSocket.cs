using System.Net.Sockets;
using Cais.BuildKit.Grpc;
using Google.Protobuf;
using Moby.Sshforward.V1;

namespace Cais.BuildKit.Sessions;

/// <summary>A socket of this machine that leads to an SSH agent of the client, for as long as it is not disposed of.</summary>
internal sealed class AgentSocket : IDisposable
{
    private const string ForwardMethod = "/moby.sshforward.v1.SSH/ForwardAgent";
    private const string CheckMethod = "/moby.sshforward.v1.SSH/CheckAgent";
    private const string IdKey = "buildkit.ssh.id";

    private readonly Session _session;
    private readonly string _id;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();

    private AgentSocket(Session session, string id, string path)
    {
        (_session, _id, Path) = (session, id, path);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        _listener.Listen();
        _ = AcceptAsync(_stop.Token);
    }

    public string Path { get; }

    /// <summary>Listens at <paramref name="path"/>; null if the client forwards no agent of that id.</summary>
    public static async Task<AgentSocket?> OpenAsync(Session session, string id, string path, CancellationToken cancellation)
    {
        if (!session.Serves(CheckMethod) || !session.Serves(ForwardMethod))
        {
            return null;
        }

        try
        {
            using var check = session.Begin(CheckMethod, null, cancellation);
            await check.SendAsync(new CheckAgentRequest { ID = id });
            await check.FinishSendingAsync();
            await check.ReadAsync(CheckAgentResponse.Parser);
        }
        catch (GrpcException e) when (e.Code is not GrpcStatusCode.Unavailable)
        {
            return null;
        }

        return new AgentSocket(session, id, path);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
        File.Delete(Path);
    }

    private async Task AcceptAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                _ = ForwardAsync(await _listener.AcceptAsync(stop), stop);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed of.
        }
    }

    private async Task ForwardAsync(Socket connection, CancellationToken stop)
    {
        using (connection)
        {
            try
            {
                using var call = _session.Begin(ForwardMethod, [KeyValuePair.Create(IdKey, (IReadOnlyList<string>)[_id])], stop);
                await Task.WhenAll(SendAsync(connection, call, stop), ReceiveAsync(connection, call));
            }
            catch (Exception e) when (e is GrpcException or OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // The program sees its connection to the agent end.
            }
        }
    }

    private static async Task SendAsync(Socket from, GrpcClientCall to, CancellationToken stop)
    {
        var buffer = new byte[32 << 10];
        for (int read; (read = await from.ReceiveAsync(buffer, stop)) > 0;)
        {
            await to.SendAsync(new BytesMessage { Data = UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, read)) });
        }

        await to.FinishSendingAsync();
    }

    private static async Task ReceiveAsync(Socket to, GrpcClientCall from)
    {
        try
        {
            while (await from.ReadAsync(BytesMessage.Parser) is { } message)
            {
                for (var data = message.Data.Memory; !data.IsEmpty;)
                {
                    data = data[await to.SendAsync(data)..];
                }
            }
        }
        finally
        {
            // Ends the other direction too: nobody answers any more.
            to.Shutdown(SocketShutdown.Both);
        }
    }
}
