using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Cais.Daemon.Http;

/// <summary>The HTTP server on all of the daemon's doors. Kestrel alone, without the host, configuration and services around it.</summary>
internal sealed class ApiServer : IAsyncDisposable
{
    private readonly KestrelServer _server;

    /// <param name="listeners">The doors.</param>
    /// <param name="http2">Serves connections that begin as HTTP/2.</param>
    public ApiServer(IReadOnlyList<Listener> listeners, Http2Connection http2)
    {
        var options = new KestrelServerOptions
        {
            AddServerHeader = false,
            AllowSynchronousIO = false,
        };
        var limits = options.Limits;
        limits.MaxRequestBodySize = null; // images
        limits.MinRequestBodyDataRate = null;
        limits.MinResponseDataRate = null;
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(10);
        limits.MaxConcurrentConnections = null;
        foreach (var listener in listeners)
        {
            void Configure(ListenOptions door)
            {
                door.Protocols = HttpProtocols.Http1;
                if (listener.Tls is { } tls)
                {
                    door.Use(tls.Middleware);
                }

                door.Use(http2.Middleware);
                door.Use(ClientConnection.Middleware);
            }

            switch (listener.Address)
            {
                case UnixAddress unix:
                    options.ListenUnixSocket(unix.Path, Configure);
                    break;
                case TcpAddress tcp:
                    options.Listen(tcp.EndPoint, Configure);
                    break;
                case InheritedSocket inherited:
                    options.ListenHandle((ulong)inherited.Descriptor, Configure);
                    break;
            }
        }

        var transport = new SocketTransport(backlog: 512);
        _server = new KestrelServer(Options.Create(options), transport, NullLoggerFactory.Instance);
    }

    public Task Start(Microsoft.AspNetCore.Hosting.Server.IHttpApplication<Microsoft.AspNetCore.Http.HttpContext> application, CancellationToken cancellation) => _server.StartAsync(application, cancellation);

    /// <summary>Closes the doors; requests in progress get until <paramref name="cancellation"/>.</summary>
    public Task Stop(CancellationToken cancellation) => _server.StopAsync(cancellation);

    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>One door: where, and whether in TLS.</summary>
internal sealed record Listener(ListenAddress Address, TlsConnection? Tls);

internal abstract record ListenAddress
{
    /// <summary>For the log: <c>/run/docker.sock</c>, <c>127.0.0.1:2376</c>.</summary>
    public abstract string Describe();
}

internal sealed record UnixAddress(string Path) : ListenAddress
{
    public override string Describe() => Path;
}

internal sealed record TcpAddress(IPEndPoint EndPoint) : ListenAddress
{
    public override string Describe() => EndPoint.ToString();
}

/// <summary>A socket that is already listening, given by the service manager; see sd_listen_fds(3).</summary>
internal sealed record InheritedSocket(int Descriptor) : ListenAddress
{
    public override string Describe() => $"fd {Descriptor}";
}
