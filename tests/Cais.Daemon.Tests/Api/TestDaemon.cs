using System.Diagnostics;
using System.Formats.Tar;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Cais.BuildKit;
using Cais.Daemon.Configuration;
using Cais.Daemon.Endpoints;
using Cais.Daemon.Http;
using Cais.Daemon.Tests.Swagger;
using Cais.Engine;
using Cais.Engine.Logging;
using Cais.Testing;

namespace Cais.Daemon.Tests.Api;

/// <summary>
/// The daemon in this process, on a real unix socket, over a real engine: bridge, shims and all. Everything is in one directory and one network namespace,
/// which is the suite's own.
/// </summary>
public sealed class TestDaemon : IAsyncLifetime
{
    private readonly SwaggerDocument _swagger = SwaggerDocument.Load();
    private readonly StringWriter _log = new();
    private string _directory = "";
    private CaisEngine? _engine;
    private ApiServer? _server;
    private BuildKitServer? _buildKit;

    /// <summary>Speaks to it; every answer is held against the API's description.</summary>
    public HttpClient Client { get; private set; } = new();

    public string Log => _log.ToString();

    internal CaisEngine Engine => _engine!;

    internal Router Router { get; private set; } = new();

    internal Metrics.DaemonMetrics? Metrics { get; private set; }

    internal string SocketPath => Path.Combine(_directory, "docker.sock");

    public async ValueTask InitializeAsync()
    {
        _directory = Path.Combine(Environment.GetEnvironmentVariable("CAIS_TEST_DISK") ?? "/var/tmp", $"daemon-{Environment.ProcessId}-{Guid.NewGuid():N}"[..24]);
        Directory.CreateDirectory(_directory);
        await Start();
        Client = NewClient();
        using var image = new ByteArrayContent(BusyboxArchive());
        var import = await Client.PostAsync(new Uri("/images/create?fromSrc=-&repo=busybox&changes=CMD%20%5B%22sh%22%5D", UriKind.Relative), image);
        Assert.True(import.IsSuccessStatusCode, await import.Content.ReadAsStringAsync());
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var container in _engine!.List())
        {
            await _engine.Remove(container, force: true, volumes: true);
        }

        foreach (var network in _engine.Networks.List().Where(n => !n.IsBuiltIn))
        {
            await _engine.Networks.RemoveAsync(network.Id, CancellationToken.None);
        }

        Client.Dispose();
        await Stop();
        foreach (var name in new[] { "docker0" })
        {
            using var ip = Process.Start(new ProcessStartInfo("ip", ["link", "del", name]) { RedirectStandardError = true })!;
            await ip.WaitForExitAsync();
        }

        using var nft = Process.Start(new ProcessStartInfo("nft", ["flush", "ruleset"]) { RedirectStandardError = true });
        await (nft?.WaitForExitAsync() ?? Task.CompletedTask);
        foreach (var space in Directory.Exists(Path.Combine(_directory, "run", "netns")) ? Directory.GetFiles(Path.Combine(_directory, "run", "netns")) : [])
        {
            Linux.Mounts.Unmount(space, lazy: true);
        }

        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Ends the daemon and begins it anew over the same state; containers go on meanwhile.</summary>
    public async Task Restart()
    {
        await Stop();
        await Start();
    }

    public async Task<JsonElement> Get(string path)
    {
        var response = await Client.GetAsync(new Uri(path, UriKind.Relative));
        return await Json(response);
    }

    public Task<HttpResponseMessage> Post(string path, string? body = null) =>
        Client.PostAsync(new Uri(path, UriKind.Relative), body is null ? null : new StringContent(body, Encoding.UTF8, "application/json"));

    public Task<HttpResponseMessage> Delete(string path) => Client.DeleteAsync(new Uri(path, UriKind.Relative));

    public async Task<string> Create(string body, string query = "")
    {
        var response = await Post("/containers/create" + query, body);
        var json = await Json(response);
        Assert.True(response.StatusCode == HttpStatusCode.Created, json.ToString());
        return json.GetProperty("Id").GetString()!;
    }

    /// <summary>Creates, starts, waits, and gives exit code and output.</summary>
    public async Task<(int ExitCode, string Output)> Run(string body)
    {
        var id = await Create(body);
        await Expect(HttpStatusCode.NoContent, await Post($"/containers/{id}/start"));
        var wait = await Json(await Post($"/containers/{id}/wait"));
        var output = await Logs(id);
        await Expect(HttpStatusCode.NoContent, await Delete($"/containers/{id}?v=1"));
        return (wait.GetProperty("StatusCode").GetInt32(), output);
    }

    public async Task<string> Logs(string id, string query = "stdout=1&stderr=1")
    {
        var response = await Client.GetAsync(new Uri($"/containers/{id}/logs?{query}", UriKind.Relative));
        return Unframe(await response.Content.ReadAsByteArrayAsync());
    }

    public static async Task<JsonElement> Json(HttpResponseMessage response)
    {
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return json.RootElement.Clone();
    }

    public static async Task Expect(HttpStatusCode status, HttpResponseMessage response) =>
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");

    /// <summary>The sentence of an error answer.</summary>
    public static async Task<string> Message(HttpStatusCode status, HttpResponseMessage response)
    {
        await Expect(status, response);
        return (await Json(response)).GetProperty("message").GetString()!;
    }

    /// <summary>The payload of a multiplexed stream.</summary>
    public static string Unframe(byte[] stream)
    {
        var text = new StringBuilder();
        for (var at = 0; at + 8 <= stream.Length;)
        {
            var length = (stream[at + 4] << 24) | (stream[at + 5] << 16) | (stream[at + 6] << 8) | stream[at + 7];
            text.Append(Encoding.UTF8.GetString(stream, at + 8, length));
            at += 8 + length;
        }

        return text.ToString();
    }

    /// <summary>A connection of one's own, for what HTTP clients do not do.</summary>
    public async Task<Socket> Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath));
        return socket;
    }

    private HttpClient NewClient() => new(new CheckingHandler(_swagger, new SocketsHttpHandler { ConnectCallback = async (_, _) => new NetworkStream(await Connect(), true) }))
    {
        BaseAddress = new Uri("http://docker"),
        Timeout = Eventually.Patience(60),
    };

    private async Task Start()
    {
        var options = DaemonOptions.From(DaemonSettings.Load(
            ["--data-root", Path.Combine(_directory, "root"), "--exec-root", Path.Combine(_directory, "run"), "--shim-path", ShimPath(), "--cgroup-parent", "cais-daemon-tests"],
            _ => null));
        var log = new EngineLog(TextWriter.Synchronized(_log), LogLevel.Debug);
        _engine = await CaisEngine.Open(options.Engine, options.Images, options.Networks, log, TimeProvider.System, CancellationToken.None);
        var router = new Router();
        ApiRoutes.Map(router, _engine, new SystemEndpoints(_engine, options));
        Router = router;
        Metrics = new Metrics.DaemonMetrics(_engine, "test");
        var application = new ApiApplication(router, ApiVersion.Oldest, "Cais", experimental: false, log, Metrics);
        _buildKit = BuildKitEndpoints.Open(_engine, options.Engine, application, log);
        new BuildKitEndpoints(_buildKit).Map(router);
        _server = new ApiServer([new Listener(new UnixAddress(SocketPath), null)], new Http2Connection(_buildKit.ServeAsync));
        await _server.Start(application, CancellationToken.None);
    }

    private async Task Stop()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _server!.Stop(now.Token);
        await _server.DisposeAsync();
        await _buildKit!.DisposeAsync();
        await _engine!.DisposeAsync();
        File.Delete(SocketPath);
    }

    private static string ShimPath()
    {
        var directory = Environment.GetEnvironmentVariable("CAIS_BIN");
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); directory is null && at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Cais.slnx")))
            {
                directory = Path.Combine(at.FullName, "artifacts", "bin");
            }
        }

        var path = Path.Combine(directory ?? "", "containerd-shim-cais-v2");
        return File.Exists(path) ? path : throw new InvalidOperationException($"there is no {path}: run ./build.sh first, or set CAIS_BIN");
    }

    private static byte[] BusyboxArchive()
    {
        var archive = new MemoryStream();
        using (var tar = new TarWriter(archive, leaveOpen: true))
        {
            foreach (var directory in new[] { "bin", "etc", "tmp", "data" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, directory + "/") { Mode = (UnixFileMode)0b111_111_111 });
            }

            using var busybox = File.OpenRead("/bin/busybox");
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "bin/busybox") { DataStream = busybox, Mode = (UnixFileMode)0b111_101_101 });
            foreach (var name in new[] { "sh", "true", "false", "echo", "cat", "sleep", "ls", "id", "env", "pwd", "kill", "stty", "head", "yes", "touch" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "bin/" + name) { LinkName = "busybox" });
            }

            Add(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
            Add(tar, "etc/group", "root:x:0:\napp:x:1000:\n");
            Add(tar, "data/from-image", "image\n");
        }

        return archive.ToArray();

        static void Add(TarWriter tar, string name, string text) => tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name)
        {
            DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
            Mode = (UnixFileMode)0b110_100_100,
        });
    }
}
