using System.Net;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Client.Http;

/// <summary>Opens connections to an endpoint.</summary>
internal static class Transport
{
    /// <param name="endpoint">Where to.</param>
    /// <param name="blocking">See <see cref="SocketDuplexStream"/>.</param>
    /// <param name="timeout">How long a TCP connection may take to come about.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="EngineConnectionException">Nobody listens there, or we may not.</exception>
    public static async ValueTask<DuplexStream> ConnectAsync(
        EngineEndpoint endpoint, bool blocking, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            switch (endpoint.Kind)
            {
                case EndpointKind.Unix:
                    return blocking
                        ? ConnectBlocking(endpoint)
                        : await ConnectUnixAsync(endpoint, cancellationToken).ConfigureAwait(false);
                case EndpointKind.Ssh:
                    return SshDuplexStream.Start(endpoint);
                default:
                    var plain = await ConnectTcpAsync(endpoint, blocking, timeout, cancellationToken).ConfigureAwait(false);
                    return endpoint.Tls is { } tls
                        ? await TlsDuplexStream.AuthenticateAsync(plain, endpoint, tls, cancellationToken).ConfigureAwait(false)
                        : plain;
            }
        }
        catch (SocketException e)
        {
            throw Unreachable(endpoint, e, e.SocketErrorCode == SocketError.AccessDenied);
        }
    }

    /// <summary>The kernel's reason in lower case, as Go's clients print it.</summary>
    internal static string Reason(SocketException e) => e.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.ConnectionReset => "connection reset by peer",
        SocketError.Shutdown => "broken pipe",
        SocketError.TimedOut => "i/o timeout",
        SocketError.HostUnreachable => "no route to host",
        SocketError.NetworkUnreachable => "network is unreachable",
        SocketError.HostNotFound or SocketError.NoData => "no such host",
        SocketError.AccessDenied => "permission denied",
        SocketError.TryAgain => "temporary failure in name resolution",
        _ => e.NativeErrorCode == 2 ? "no such file or directory" : e.Message,
    };

    private static EngineConnectionException TooLong(EngineEndpoint endpoint, Exception e) =>
        new($"{endpoint.Text}: the path of a unix socket has at most 107 bytes", e);

    private static EngineConnectionException Unreachable(EngineEndpoint endpoint, Exception e, bool forbidden) =>
        forbidden
            ? new EngineConnectionException(
                $"permission denied while trying to connect to the Cais daemon at {endpoint.Text}", e)
            : new EngineConnectionException(
                $"Cannot connect to the Cais daemon at {endpoint.Text}. Is the cais daemon running?", e);

    private static UnixDuplexStream ConnectBlocking(EngineEndpoint endpoint)
    {
        try
        {
            var socket = UnixSocket.Connect(endpoint.Path, blocking: true);
            return new UnixDuplexStream(socket);
        }
        catch (LinuxException e)
        {
            throw e.Errno is Errno.ENAMETOOLONG ? TooLong(endpoint, e) : Unreachable(endpoint, e, e.Errno == Errno.EACCES);
        }
    }

    private static async ValueTask<DuplexStream> ConnectUnixAsync(EngineEndpoint endpoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // connect(2) on a unix socket does not wait for the network: asynchrony would buy nothing.
            cancellationToken.ThrowIfCancellationRequested();
            socket.Connect(new UnixDomainSocketEndPoint(endpoint.Path));
            await ValueTask.CompletedTask.ConfigureAwait(false);
            return new SocketDuplexStream(socket, blocking: false);
        }
        catch (ArgumentException e)
        {
            socket.Dispose();
            throw TooLong(endpoint, e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async ValueTask<DuplexStream> ConnectTcpAsync(
        EngineEndpoint endpoint, bool blocking, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var socket = IPAddress.TryParse(endpoint.Host, out var address)
            ? new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.NoDelay = true;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        try
        {
            if (address is null)
            {
                await socket.ConnectAsync(endpoint.Host, endpoint.Port, deadline.Token).ConfigureAwait(false);
            }
            else
            {
                await socket.ConnectAsync(new IPEndPoint(address, endpoint.Port), deadline.Token).ConfigureAwait(false);
            }

            socket.Blocking = true;
            return new SocketDuplexStream(socket, blocking);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new EngineConnectionException(
                $"Cannot connect to the Cais daemon at {endpoint.Text}: no answer within {timeout.TotalSeconds:0} s. Is the cais daemon running?", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
