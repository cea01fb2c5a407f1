using System.Net;
using System.Net.Sockets;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Debian's docker-registry on a free loopback port, its storage in a scratch folder.</summary>
internal sealed class Registry : IAsyncDisposable
{
    private readonly Scratch _scratch = new("registry");
    private BackgroundProcess? _process;

    private Registry(int port) => Address = $"127.0.0.1:{port}";

    public string Address { get; }

    /// <summary>Where the registry keeps <paramref name="digest"/>'s bytes, for tests that spoil them.</summary>
    public string BlobFile(string digest)
    {
        var hex = digest["sha256:".Length..];
        return _scratch[$"data/docker/registry/v2/blobs/sha256/{hex[..2]}/{hex}/data"];
    }

    /// <summary>With <paramref name="password"/> ("secret", of which this knows the hash) only the user "me" gets in.</summary>
    public static async Task<Registry> Start(string? password = null)
    {
        var registry = new Registry(FreePort());
        var auth = "";
        if (password is not null)
        {
            await File.WriteAllTextAsync(registry._scratch["htpasswd"], "me:$2b$04$Ra42J6A02tcQXLqC/h7RreSXKmwOwCK8Udx8Qnm6qOwZJUHrL4IS.\n");
            auth = $"auth: {{ htpasswd: {{ realm: test, path: {registry._scratch["htpasswd"]} }} }}";
        }

        var config = registry._scratch["config.yml"];
        await File.WriteAllTextAsync(config, $$"""
            version: 0.1
            log: { level: error }
            storage:
              filesystem: { rootdirectory: {{registry._scratch["data"]}} }
              delete: { enabled: true }
            http: { addr: {{registry.Address}} }
            {{auth}}
            """);
        registry._process = Command.Start("docker-registry", ["serve", config]);
        using var client = new HttpClient();
        await Eventually.Holds(
            async () =>
            {
                try
                {
                    return (await client.GetAsync(new Uri($"http://{registry.Address}/v2/"))).StatusCode is HttpStatusCode.OK or HttpStatusCode.Unauthorized;
                }
                catch (HttpRequestException) when (!registry._process.HasExited)
                {
                    return false;
                }
            },
            "the registry answers");
        return registry;
    }

    public async ValueTask DisposeAsync()
    {
        await _process!.DisposeAsync();
        _scratch.Dispose();
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
