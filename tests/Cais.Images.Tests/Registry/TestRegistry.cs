using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Cais.Oci.Images;
using Cais.Testing;

namespace Cais.Images.Tests.Registry;

/// <summary>Debian's docker-registry on a free loopback port, with storage of its own.</summary>
public sealed class TestRegistry : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-registry-").FullName;
    private readonly Process _process;
    private string? _alsoDelete;

    private TestRegistry(string extra, int port, string? http = null)
    {
        Port = port;
        var config = $"""
            version: 0.1
            log: {'{'} level: error, accesslog: {'{'} disabled: true {'}'} {'}'}
            storage:
              filesystem: {'{'} rootdirectory: {_directory}/data {'}'}
              delete: {'{'} enabled: true {'}'}
            validation: {'{'} manifests: {'{'} urls: {'{'} allow: ['^http://'] {'}'} {'}'} {'}'}
            http:
              addr: 127.0.0.1:{port}
            {http}
            {extra}
            """;
        File.WriteAllText(Path.Combine(_directory, "config.yml"), config);
        _process = Process.Start(new ProcessStartInfo("docker-registry", ["serve", Path.Combine(_directory, "config.yml")])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    public int Port { get; }

    public string Host => $"127.0.0.1:{Port}";

    public static async Task<TestRegistry> StartAsync(string extra = "")
    {
        var registry = new TestRegistry(extra, FreePort());
        using var http = new HttpClient();
        await Eventually.Holds(async () =>
        {
            try
            {
                using var answer = await http.GetAsync(new Uri($"http://{registry.Host}/v2/"));
                return true;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, "docker-registry answers");
        return registry;
    }

    /// <summary>With TLS; <paramref name="http"/> are the lines of its configuration, at their depth.</summary>
    public static async Task<TestRegistry> WithTlsAsync(string http, string extra = "")
    {
        var registry = new TestRegistry(extra, FreePort(), http);
        await Eventually.Holds(() =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Connect(IPAddress.Loopback, registry.Port);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }, "docker-registry listens");
        return registry;
    }

    public static async Task<TestRegistry> WithPasswordAsync(string user, string bcryptHash)
    {
        var directory = Directory.CreateTempSubdirectory("cais-registry-").FullName;
        var file = Path.Combine(directory, "htpasswd");
        await File.WriteAllTextAsync(file, $"{user}:{bcryptHash}\n");
        var registry = await StartAsync($"auth:\n  htpasswd: {{ realm: test, path: {file} }}");
        registry._alsoDelete = directory;
        return registry;
    }

    /// <summary>Puts an image there without our own code for pushing.</summary>
    public async Task AddAsync(ImageMaker maker, Descriptor target, string repository, string tag, string? mediaType = null)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://{Host}/v2/{repository}/") };
        foreach (var (digest, content) in maker.Blobs)
        {
            using var begin = await http.PostAsync(new Uri("blobs/uploads/", UriKind.Relative), null);
            var upload = begin.Headers.Location!;
            using var put = await http.PutAsync(new Uri($"{upload}&digest={digest}"), new ByteArrayContent(content));
            put.EnsureSuccessStatusCode();
        }

        foreach (var (digest, content) in maker.Blobs.Where(b => IsDocument(b.Value)).OrderBy(b => b.Key == target.Digest))
        {
            var type = Encoding.UTF8.GetString(content).Contains("\"manifests\"", StringComparison.Ordinal) ? MediaTypes.OciIndex : mediaType ?? MediaTypes.OciManifest;
            var body = new ByteArrayContent(content);
            body.Headers.ContentType = new(type);
            using var put = await http.PutAsync(new Uri($"manifests/{(digest == target.Digest ? tag : digest.ToString())}", UriKind.Relative), body);
            put.EnsureSuccessStatusCode();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_directory, recursive: true);
        if (_alsoDelete is not null)
        {
            Directory.Delete(_alsoDelete, recursive: true);
        }
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static bool IsDocument(byte[] content) => content.Length > 0 && content[0] == '{' && Encoding.UTF8.GetString(content).Contains("schemaVersion", StringComparison.Ordinal);
}
