using System.Net.Sockets;
using System.Text;
using Cais.Build.Solving;
using Cais.Linux.FileSystem;

namespace Cais.Engine.Builds;

/// <summary>A socket for a build's command that leads to one outside, whose owner and mode are not the command's to use.</summary>
internal sealed class AgentRelay : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _target;

    public AgentRelay(string path, SocketMount socket)
    {
        Path = path;
        _target = socket.Path;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        var name = Encoding.UTF8.GetBytes(path + '\0');
        FileAt.ChangeOwner(FileAt.CurrentDirectory, name, socket.Uid, socket.Gid);
        FileAt.ChangeMode(FileAt.CurrentDirectory, name, socket.Mode);
        _listener.Listen();
        _ = AcceptAsync();
    }

    public string Path { get; }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var stop = _stop.Token;
        try
        {
            while (true)
            {
                _ = RelayAsync(await _listener.AcceptAsync(stop).ConfigureAwait(false), stop);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The command has ended.
        }
    }

    private async Task RelayAsync(Socket inside, CancellationToken stop)
    {
        using (inside)
        using (var outside = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            try
            {
                await outside.ConnectAsync(new UnixDomainSocketEndPoint(_target), stop).ConfigureAwait(false);
                await Task.WhenAll(CopyAsync(inside, outside, stop), CopyAsync(outside, inside, stop)).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // Either side has gone; the other sees its connection end.
            }
        }
    }

    private static async Task CopyAsync(Socket from, Socket to, CancellationToken stop)
    {
        var buffer = new byte[16 * 1024];
        for (int n; (n = await from.ReceiveAsync(buffer, stop).ConfigureAwait(false)) > 0;)
        {
            for (var sent = 0; sent < n;)
            {
                sent += await to.SendAsync(buffer.AsMemory(sent, n - sent), stop).ConfigureAwait(false);
            }
        }

        to.Shutdown(SocketShutdown.Send);
    }
}
