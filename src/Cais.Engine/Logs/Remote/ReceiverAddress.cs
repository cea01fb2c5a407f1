using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace Cais.Engine.Logs.Remote;

/// <summary>Where a receiver listens.</summary>
/// <param name="Scheme"><c>tcp</c>, <c>udp</c>, <c>unix</c> and so on.</param>
/// <param name="Host">A name or an address; empty for a path.</param>
/// <param name="Port">0 for a path.</param>
/// <param name="Path">Of a unix socket; otherwise empty.</param>
internal sealed record ReceiverAddress(string Scheme, string Host, int Port, string Path)
{
    public override string ToString() => Path.Length > 0 ? $"{Scheme}://{Path}" : $"{Scheme}://{(Host.Contains(':') ? $"[{Host}]" : Host)}:{Port}";

    /// <summary>Splits <c>host:port</c>, <c>[::1]:port</c> or <c>host</c>; null when it is neither.</summary>
    public static (string Host, int Port)? HostAndPort(string text, int defaultPort)
    {
        var colon = text.LastIndexOf(':');
        var bracket = text.LastIndexOf(']');
        if (colon > bracket && (bracket >= 0 || text.IndexOf(':') == colon))
        {
            return ushort.TryParse(text[(colon + 1)..], out var port) ? (text[..colon].Trim('[', ']'), port) : null;
        }

        return defaultPort > 0 && (bracket >= 0 || colon < 0) && text.Length > 0 ? (text.Trim('[', ']'), defaultPort) : null;
    }

    /// <summary>A datagram socket whose sends go to the receiver.</summary>
    public async Task<Socket> ConnectDatagram(CancellationToken cancellation)
    {
        var socket = Path.Length > 0
            ? new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
            : new Socket(SocketType.Dgram, ProtocolType.Udp);
        return await Connect(socket, cancellation).ConfigureAwait(false);
    }

    /// <summary>A stream to the receiver, in TLS where there are options for it.</summary>
    public async Task<Stream> ConnectStream(SslClientAuthenticationOptions? tls, CancellationToken cancellation)
    {
        var socket = Path.Length > 0
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var stream = new NetworkStream(await Connect(socket, cancellation).ConfigureAwait(false), ownsSocket: true);
        if (tls is null)
        {
            return stream;
        }

        var ssl = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await ssl.AuthenticateAsClientAsync(tls, cancellation).ConfigureAwait(false);
            return ssl;
        }
        catch
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task<Socket> Connect(Socket socket, CancellationToken cancellation)
    {
        try
        {
            EndPoint to = Path.Length > 0 ? new UnixDomainSocketEndPoint(Path) : IPAddress.TryParse(Host, out var address) ? new IPEndPoint(address, Port) : new DnsEndPoint(Host, Port);
            await socket.ConnectAsync(to, cancellation).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
