using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Cais.Images.Registry;
using Cais.Oci.Images;

namespace Cais.Images.Tests.Registry;

/// <summary>What administrators lay down: certificates, mirrors, proxies.</summary>
[Trait("Tier", "integration")]
public sealed class ConfigurationTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-certs-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string Write(string path, string content)
    {
        var file = Path.Combine(_directory, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
        return file;
    }

    private static (ImageMaker Maker, Descriptor Image) OneImage()
    {
        var maker = new ImageMaker();
        return (maker, maker.Image([new TarMaker().File("hello", "hello").ToArray()], TarMaker.Gzip));
    }

    /// <summary>An authority, and certificates that it signs.</summary>
    private sealed class Authority
    {
        private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        private readonly X509Certificate2 _certificate;

        public Authority()
        {
            var request = new CertificateRequest("CN=test authority", _key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        }

        public string Pem => _certificate.ExportCertificatePem();

        public (string Certificate, string Key) Issue(string name)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(name);
            request.CertificateExtensions.Add(names.Build());
            using var certificate = request.Create(_certificate, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(20), RandomNumberGenerator.GetBytes(8));
            return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
        }
    }

    /// <summary>A registry with TLS that is reached by the name registry.example through a proxy, so that it does not count as loopback.</summary>
    private async Task<(TestRegistry Registry, FaultProxy Proxy, Authority Authority)> StartWithTls(bool clientCertificates)
    {
        var authority = new Authority();
        var (certificate, key) = authority.Issue("registry.example");
        var tls = $"""
              tls:
                certificate: {Write("server.crt", certificate)}
                key: {Write("server.key", key)}
            """;
        if (clientCertificates)
        {
            tls += $"\n    clientcas: [{Write("clients.crt", authority.Pem)}]";
        }

        var registry = await TestRegistry.WithTlsAsync("  " + tls.TrimStart());
        return (registry, new FaultProxy(registry.Host), authority);
    }

    private TestStore StoreBehind(FaultProxy proxy, Func<ImageStoreOptions, ImageStoreOptions>? more = null) => new(o =>
    {
        var options = o with { HttpProxy = $"http://{proxy.Host}", HttpsProxy = $"http://{proxy.Host}", CertificateDirectories = [Path.Combine(_directory, "certs.d")], MaxDownloadAttempts = 1 };
        return more?.Invoke(options) ?? options;
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_registry_with_an_authority_of_its_own_is_trusted_and_shown_a_client_certificate(bool clientCertificates)
    {
        var (registry, proxy, authority) = await StartWithTls(clientCertificates);
        await using var _ = registry;
        using var __ = proxy;
        var (maker, image) = OneImage();
        var name = Reference.Parse("registry.example:5000/app:1");
        await using (var store = StoreBehind(proxy))
        {
            await store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, name.ToString()))), new Heard(), Token);
            var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.PushAsync(name, new PushOptions(), new Heard(), Token));
            Assert.Equal(ImageErrorKind.Unavailable, e.Kind);
        }

        Write("certs.d/registry.example:5000/ca.crt", authority.Pem);
        if (clientCertificates)
        {
            await using var unknown = StoreBehind(proxy);
            await unknown.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, name.ToString()))), new Heard(), Token);
            await Assert.ThrowsAsync<ImageException>(() => unknown.Images.PushAsync(name, new PushOptions(), new Heard(), Token));
            var (certificate, key) = authority.Issue("somebody");
            Write("certs.d/registry.example:5000/client.cert", certificate);
            Write("certs.d/registry.example:5000/client.key", key);
        }

        await using var good = StoreBehind(proxy);
        await good.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, name.ToString()))), new Heard(), Token);
        await good.Images.PushAsync(name, new PushOptions(), new Heard(), Token);
        await using var second = StoreBehind(proxy);
        Assert.Equal(image.Digest, (await second.Images.PullAsync(name, new PullOptions(), new Heard(), Token)).Digest);
        Assert.Contains("CONNECT registry.example:5000", proxy.Requests);
    }

    [Fact]
    public async Task An_insecure_registry_is_spoken_to_through_the_proxy_but_this_machine_never_is()
    {
        await using var registry = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(registry.Host);
        var (maker, image) = OneImage();
        await registry.AddAsync(maker, image, "app", "1");
        await using var store = StoreBehind(proxy, o => o with { InsecureRegistries = ["registry.example:5000"] });

        await store.Images.PullAsync(Reference.Parse("registry.example:5000/app:1"), new PullOptions(), new Heard(), Token);

        Assert.Contains(proxy.Requests, r => r.StartsWith("GET http://registry.example:5000/v2/app/", StringComparison.Ordinal));
        proxy.Requests.Clear();
        await store.Images.PullAsync(Reference.Parse($"{registry.Host}/app:1"), new PullOptions(), new Heard(), Token);
        Assert.Empty(proxy.Requests);
    }

    [Fact]
    public async Task Any_registry_can_have_mirrors_and_is_asked_itself_for_what_they_lack()
    {
        await using var mirror = await TestRegistry.StartAsync();
        await using var origin = await TestRegistry.StartAsync();
        using var watch = new FaultProxy(origin.Host);
        var (maker, image) = OneImage();
        await mirror.AddAsync(maker, image, "app", "1");
        await origin.AddAsync(maker, image, "app", "1");
        var other = new ImageMaker();
        var only = other.Image([new TarMaker().File("only-here").ToArray()], TarMaker.Gzip);
        await origin.AddAsync(other, only, "rare", "1");
        Write("certs.d/registry.example/hosts.toml", $"""
            # Close by first.
            server = "http://{watch.Host}"

            [host."http://{mirror.Host}"]
              capabilities = ["pull", "resolve"]
            """);
        await using var store = new TestStore(o => o with { CertificateDirectories = [Path.Combine(_directory, "certs.d")] });

        Assert.Equal(image.Digest, (await store.Images.PullAsync(Reference.Parse("registry.example/app:1"), new PullOptions(), new Heard(), Token)).Digest);
        Assert.Empty(watch.Requests);
        Assert.Equal(["registry.example/app:1"], store.Images.Get(image.Digest.ToString()).RepoTags);

        Assert.Equal(only.Digest, (await store.Images.PullAsync(Reference.Parse("registry.example/rare:1"), new PullOptions(), new Heard(), Token)).Digest);
        Assert.NotEmpty(watch.Requests);
    }

    [Fact]
    public async Task A_mirror_that_may_not_resolve_tags_is_asked_for_digests_alone()
    {
        await using var mirror = await TestRegistry.StartAsync();
        await using var origin = await TestRegistry.StartAsync();
        using var watch = new FaultProxy(mirror.Host);
        var (maker, image) = OneImage();
        await mirror.AddAsync(maker, image, "app", "1");
        await origin.AddAsync(maker, image, "app", "1");
        Write("certs.d/_default/hosts.toml", $"""
            server = 'http://{origin.Host}'
            [host.'http://{watch.Host}']
            capabilities = [
              "pull", # no resolve
            ]
            """);
        await using var store = new TestStore(o => o with { CertificateDirectories = [Path.Combine(_directory, "certs.d")] });

        await store.Images.PullAsync(Reference.Parse("registry.example/app:1"), new PullOptions(), new Heard(), Token);
        Assert.Empty(watch.Requests);
        store.Images.Remove("registry.example/app:1");
        await store.Images.PullAsync(Reference.Parse($"registry.example/app@{image.Digest}"), new PullOptions(), new Heard(), Token);
        Assert.Contains(watch.Requests, r => r.Contains("ns=registry.example", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Debians_registry_as_a_pull_through_mirror_serves_what_its_origin_has()
    {
        await using var origin = await TestRegistry.StartAsync();
        await using var mirror = await TestRegistry.StartAsync($"proxy:\n  remoteurl: http://{origin.Host}");
        var (maker, image) = OneImage();
        await origin.AddAsync(maker, image, "library/app", "1");
        await using var store = new TestStore(o => o with { RegistryMirrors = [$"http://{mirror.Host}"] });

        var pulled = await store.Images.PullAsync(Reference.Parse("app:1"), new PullOptions(), new Heard(), Token);

        Assert.Equal(image.Digest, pulled.Digest);
        Assert.Equal(["app:1"], pulled.Image.RepoTags);
    }

    [Fact]
    public async Task A_hosts_file_that_cannot_be_read_is_named_with_its_line()
    {
        Write("certs.d/registry.example/hosts.toml", "server = \"https://x\"\n[host.\"https://y\"]\ncapabilities = pull\n");
        await using var store = new TestStore(o => o with { CertificateDirectories = [Path.Combine(_directory, "certs.d")] });

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.PullAsync(Reference.Parse("registry.example/app:1"), new PullOptions(), new Heard(), Token));

        Assert.Equal(ImageErrorKind.InvalidArgument, e.Kind);
        Assert.Contains("hosts.toml: line 3:", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://a.example.com/", "", true)]
    [InlineData("https://localhost:5000/", "", false)]
    [InlineData("https://127.0.0.1/", "", false)]
    [InlineData("https://[::1]:5000/", "", false)]
    [InlineData("https://a.example.com/", "example.com", false)]
    [InlineData("https://example.com/", "example.com", false)]
    [InlineData("https://example.com/", ".example.com", true)]
    [InlineData("https://a.example.com/", ".example.com", false)]
    [InlineData("https://a.example.com/", "*.example.com", false)]
    [InlineData("https://badexample.com/", "example.com", true)]
    [InlineData("https://a.example.com:5000/", "a.example.com:443", true)]
    [InlineData("https://a.example.com:5000/", "x, a.example.com:5000", false)]
    [InlineData("https://10.1.2.3/", "10.0.0.0/8", false)]
    [InlineData("https://11.1.2.3/", "10.0.0.0/8,11.1.2.4", true)]
    [InlineData("https://11.1.2.3/", "11.1.2.3", false)]
    [InlineData("https://A.example.com/", "*", false)]
    [InlineData("http://a.example.com/", "", false)]
    public void A_proxy_is_used_as_Gos_programs_would(string address, string except, bool used)
    {
        var rule = new ProxyRule(null, "proxy.example:3128", except);
        Assert.Equal(used ? new Uri("http://proxy.example:3128") : null, rule.GetProxy(new Uri(address)));
    }

    [Fact]
    public void A_proxys_name_and_password_are_taken_from_its_address()
    {
        var rule = new ProxyRule("http://me:p%40ss@proxy.example:3128", null, null);
        var credential = rule.Credentials!.GetCredential(rule.GetProxy(new Uri("http://a.example/"))!, "Basic");
        Assert.Equal(("me", "p@ss"), (credential!.UserName, credential.Password));
    }

    [Fact]
    public async Task A_login_is_checked_and_says_so()
    {
        await using var registry = await TestRegistry.WithPasswordAsync("me", "$2b$04$Ra42J6A02tcQXLqC/h7RreSXKmwOwCK8Udx8Qnm6qOwZJUHrL4IS.");
        await using var store = new TestStore();

        Assert.Equal("Login Succeeded", (await store.Images.LoginAsync(registry.Host, new RegistryCredentials { Username = "me", Password = "secret" }, Token)).Status);
        foreach (var wrong in new[] { new RegistryCredentials { Username = "me", Password = "wrong" }, new RegistryCredentials() })
        {
            Assert.Equal(ImageErrorKind.Unauthorized, (await Assert.ThrowsAsync<ImageException>(() => store.Images.LoginAsync(registry.Host, wrong, Token))).Kind);
        }
    }
}
