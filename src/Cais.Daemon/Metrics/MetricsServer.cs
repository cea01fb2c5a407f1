using System.Net;
using System.Text;
using Cais.Daemon.Http;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Cais.Daemon.Metrics;

/// <summary><c>metrics-addr</c>: /metrics in plain HTTP on a port of its own, and nothing else.</summary>
internal sealed class MetricsServer(DaemonMetrics metrics) : IHttpApplication<HttpContext>
{
    /// <summary>Opens the port. Throws <see cref="IOException"/> when it is taken.</summary>
    public static async Task<ApiServer> Start(DaemonMetrics metrics, IPEndPoint address, CancellationToken cancellation)
    {
        var server = new ApiServer([new Listener(new TcpAddress(address), null)]);
        try
        {
            await server.Start(new MetricsServer(metrics), cancellation).ConfigureAwait(false);
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        var found = context.Request.Path == "/metrics";
        context.Response.StatusCode = found ? 200 : 404;
        context.Response.ContentType = found ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain; charset=utf-8";
        var body = Encoding.UTF8.GetBytes(found ? metrics.Render() : "404 page not found\n");
        context.Response.ContentLength = body.Length;
        if (context.Request.Method != "HEAD")
        {
            await context.Response.Body.WriteAsync(body).ConfigureAwait(false);
        }
    }
}
