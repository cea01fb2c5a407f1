using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Cais.Daemon.Configuration;
using Cais.Daemon.Http;
using Cais.Engine.Logging;

namespace Cais.Daemon.Tests.Http;

/// <summary>The doors as clients find them: a server without an engine behind each.</summary>
public sealed class ServedDoorsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-doors-").FullName;
    private readonly EngineLog _log = new(TextWriter.Null, LogLevel.Error);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Several_doors_are_served_at_once_and_the_sockets_belong_to_the_group()
    {
        var (one, other) = (Path.Combine(_directory, "one.sock"), Path.Combine(_directory, "sub", "other.sock"));
        await using (await Serve("-H", $"unix://{one}", "-H", $"unix://{other}", "--group", "daemon"))
        {
            foreach (var path in new[] { one, other })
            {
                Assert.Equal("OK", await Ping(path));
                Assert.Equal("660 root daemon", (await Testing.Command.Run("stat", ["-c", "%a %U %G", path])).Succeeded().Text);
            }
        }

        Assert.False(File.Exists(one));
    }

    [Fact]
    public async Task A_group_that_was_asked_for_must_exist()
    {
        var e = await Assert.ThrowsAsync<ConfigurationException>(() => Serve("-H", $"unix://{Path.Combine(_directory, "s")}", "-G", "nosuchgroup"));
        Assert.Contains("group nosuchgroup not found", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_at_a_sockets_path_and_is_none_is_left_alone()
    {
        var path = Path.Combine(_directory, "file");
        await File.WriteAllTextAsync(path, "precious", TestContext.Current.CancellationToken);
        Assert.Contains("there is something else at this path", (await Assert.ThrowsAsync<ConfigurationException>(() => Serve("-H", $"unix://{path}"))).Message, StringComparison.Ordinal);
        Assert.Equal("precious", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Tcp_without_tls_is_served_when_it_is_asked_for_by_name()
    {
        var port = FreePort();
        await using (await Serve("-H", $"tcp://127.0.0.1:{port}", "--allow-insecure-tcp"))
        {
            using var client = new HttpClient();
            Assert.Equal("OK", await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/_ping"), TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task With_tlsverify_only_clients_with_a_certificate_of_the_authority_come_in()
    {
        var pki = new Certificates(_directory);
        var port = FreePort();
        await using (await Serve("-H", $"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", pki.Authority, "--tlscert", pki.Server.Certificate, "--tlskey", pki.Server.Key))
        {
            Assert.Equal("OK", await Get(port, pki, pki.Client));
            await Assert.ThrowsAsync<HttpRequestException>(() => Get(port, pki, null));
            await Assert.ThrowsAsync<HttpRequestException>(() => Get(port, pki, new Certificates(Path.Combine(_directory, "others")).Client));

            // A server's certificate is no client's, whoever signed it.
            await Assert.ThrowsAsync<HttpRequestException>(() => Get(port, pki, pki.Server));
        }
    }

    [Fact]
    public async Task With_tls_alone_the_server_proves_itself_and_asks_for_nothing()
    {
        var pki = new Certificates(_directory);
        var port = FreePort();
        await using (await Serve("-H", $"tcp://127.0.0.1:{port}", "--tls", "--tlscert", pki.Server.Certificate, "--tlskey", pki.Server.Key))
        {
            Assert.Equal("OK", await Get(port, pki, null));
        }
    }

    [Fact]
    public async Task A_client_that_does_not_finish_its_handshake_holds_nobody_up()
    {
        var pki = new Certificates(_directory);
        var port = FreePort();
        await using (await Serve("-H", $"tcp://127.0.0.1:{port}", "--tls", "--tlscert", pki.Server.Certificate, "--tlskey", pki.Server.Key))
        {
            using var silent = new TcpClient();
            await silent.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
            Assert.Equal("OK", await Get(port, pki, null));
        }
    }

    [Fact]
    public async Task Keys_that_cannot_be_read_are_named()
    {
        var e = await Assert.ThrowsAsync<ConfigurationException>(() => Serve("-H", "tcp://127.0.0.1:1", "--tls", "--tlscert", "/no/cert", "--tlskey", "/no/key"));
        Assert.Contains("could not load X509 key pair (cert: \"/no/cert\", key: \"/no/key\"", e.Message, StringComparison.Ordinal);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<IAsyncDisposable> Serve(params string[] arguments)
    {
        var doors = Doors.Of(DaemonOptions.From(DaemonSettings.Load(arguments, _ => null), _ => null), _log);
        var router = new Router();
        router.Map("GET", "/_ping", r => r.Text("OK"));
        var server = new ApiServer(doors.Listeners);
        await server.Start(new ApiApplication(router, ApiVersion.Oldest, "test", experimental: false, _log), CancellationToken.None);
        doors.Opened();
        return new Served(server, doors);
    }

    private static async Task<string> Ping(string path)
    {
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        return await client.GetStringAsync(new Uri("http://docker/_ping"));
    }

    private static async Task<string> Get(int port, Certificates pki, (string Certificate, string Key)? client)
    {
        var options = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck },
        };
        using var authority = X509CertificateLoader.LoadCertificateFromFile(pki.Authority);
        options.CertificateChainPolicy.CustomTrustStore.Add(authority);
        if (client is var (certificate, key))
        {
            options.ClientCertificates = [X509Certificate2.CreateFromPemFile(certificate, key)];
            options.LocalCertificateSelectionCallback = (_, _, own, _, _) => own[0];
        }

        using var http = new HttpClient(new SocketsHttpHandler { SslOptions = options });
        return await http.GetStringAsync(new Uri($"https://127.0.0.1:{port}/_ping"));
    }

    private sealed class Served(ApiServer server, Doors doors) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            using var now = new CancellationTokenSource();
            await now.CancelAsync();
            await server.Stop(now.Token);
            await server.DisposeAsync();
            doors.Close();
        }
    }

    /// <summary>An authority, and a server and a client that it vouches for, as docker's documentation makes them.</summary>
    private sealed class Certificates
    {
        public Certificates(string directory)
        {
            Directory.CreateDirectory(directory);
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
            using var authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
            Authority = Path.Combine(directory, "ca.pem");
            File.WriteAllText(Authority, authority.ExportCertificatePem());
            Server = Issue(directory, authority, "server", "1.3.6.1.5.5.7.3.1");
            Client = Issue(directory, authority, "client", "1.3.6.1.5.5.7.3.2");
        }

        public string Authority { get; }

        public (string Certificate, string Key) Server { get; }

        public (string Certificate, string Key) Client { get; }

        private static (string Certificate, string Key) Issue(string directory, X509Certificate2 authority, string name, string usage)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
            var files = (Path.Combine(directory, name + ".pem"), Path.Combine(directory, name + "-key.pem"));
            File.WriteAllText(files.Item1, certificate.ExportCertificatePem());
            File.WriteAllText(files.Item2, key.ExportPkcs8PrivateKeyPem());
            return files;
        }
    }
}
