using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Cais.Testing;

/// <summary>A web server that has a Git repository as plain files, knows nothing of Git (so it gives no part of one), and may want to know who asks.</summary>
public sealed class PlainGitServer : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly string _folder;
    private readonly string? _authorization;
    private readonly Task _serving;

    private PlainGitServer(string folder, int port, string? authorization)
    {
        (_folder, _authorization) = (folder, authorization);
        Address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
        _listener.Prefixes.Add(Address + "/");
        _listener.Start();
        _serving = ServeAsync();
    }

    /// <summary>Without a slash at its end.</summary>
    public string Address { get; }

    /// <summary>Serves what is in a folder.</summary>
    /// <param name="authorization">What the header of that name must be.</param>
    public static PlainGitServer Serve(string folder, string? authorization = null) => new(folder, FreePort(), authorization);

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving.ConfigureAwait(false);
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext request;
            try
            {
                request = await _listener.GetContextAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            try
            {
                await AnswerAsync(request).ConfigureAwait(false);
            }
            catch (HttpListenerException)
            {
                // The client has gone.
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext request)
    {
        using var response = request.Response;
        var path = Path.GetFullPath(_folder + request.Request.Url!.AbsolutePath);
        if (_authorization is not null && request.Request.Headers["Authorization"] != _authorization)
        {
            response.StatusCode = 401;
            response.Headers["WWW-Authenticate"] = "Basic realm=\"test\"";
        }
        else if (path.StartsWith(_folder, StringComparison.Ordinal) && File.Exists(path))
        {
            response.ContentType = "application/octet-stream";
            await response.OutputStream.WriteAsync(await File.ReadAllBytesAsync(path).ConfigureAwait(false)).ConfigureAwait(false);
        }
        else
        {
            response.StatusCode = 404;
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
