using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Cais.Images.Registry;

/// <summary>HTTP clients by host, with the certificates that the administrator laid down for it. Idle connections are soon closed.</summary>
internal sealed class RegistryHttp(ImageStoreOptions options) : IDisposable
{
    private readonly ProxyRule _proxies = new(options.HttpProxy, options.HttpsProxy, options.NoProxy);
    private readonly Dictionary<(string Host, bool Insecure, string Certificates), HttpClient> _clients = [];
    private readonly Dictionary<string, string> _schemes = [];
    private readonly Lock _gate = new();

    public HttpClient ClientFor(RegistryEndpoint endpoint)
    {
        var certificates = endpoint.Certificates is { } c ? string.Join('\n', [.. c.Authorities, .. c.Clients.Select(p => $"{p.Certificate}\t{p.Key}")]) : "";
        var key = (endpoint.Host, endpoint.AllowInsecure, certificates);
        lock (_gate)
        {
            if (!_clients.TryGetValue(key, out var client))
            {
                _clients[key] = client = Create(endpoint);
            }

            return client;
        }
    }

    /// <summary>https, or http for a host that may be insecure and does not speak TLS. Found out once.</summary>
    public async Task<string> SchemeOfAsync(RegistryEndpoint endpoint, CancellationToken cancellation)
    {
        if (endpoint.Scheme is { } given)
        {
            return given;
        }

        lock (_gate)
        {
            if (_schemes.TryGetValue(endpoint.Host, out var known))
            {
                return known;
            }
        }

        var scheme = await SpeaksTlsAsync(endpoint, cancellation).ConfigureAwait(false) ? "https" : "http";
        lock (_gate)
        {
            return _schemes[endpoint.Host] = scheme;
        }
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }

    private async Task<bool> SpeaksTlsAsync(RegistryEndpoint endpoint, CancellationToken cancellation)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            deadline.CancelAfter(TimeSpan.FromSeconds(10));
            using var request = new HttpRequestMessage(HttpMethod.Get, $"https://{endpoint.Host}/v2/");
            using var answer = await ClientFor(endpoint)
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }

    private HttpClient Create(RegistryEndpoint endpoint)
    {
        var handler = new SocketsHttpHandler
        {
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(15),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            MaxAutomaticRedirections = 10,
            UseCookies = false,

            // The daemon's own settings decide, not what .NET would find in the environment.
            UseProxy = !_proxies.IsEmpty,
            Proxy = _proxies.IsEmpty ? null : _proxies,
        };
        AddCertificates(endpoint, handler.SslOptions);
        return new HttpClient(handler)
        {
            // Transfers may take hours; what must not is waiting for a sign of life, which callers limit themselves.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    private void AddCertificates(RegistryEndpoint endpoint, SslClientAuthenticationOptions tls)
    {
        var roots = new X509Certificate2Collection();
        var own = new X509Certificate2Collection();
        try
        {
            var (authorities, clients) = endpoint.Certificates ?? FromDirectory(endpoint.Host);
            foreach (var file in authorities)
            {
                roots.ImportFromPemFile(file);
            }

            foreach (var (certificate, key) in clients)
            {
                own.Add(X509Certificate2.CreateFromPemFile(certificate, key));
            }
        }
        catch (Exception e) when (e is System.Security.Cryptography.CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"the certificates for {endpoint.Host} cannot be read: {e.Message}", e);
        }

        if (own.Count > 0)
        {
            tls.ClientCertificates = own;
        }

        if (endpoint.AllowInsecure)
        {
#pragma warning disable CA5359 // What "insecure registry" means: the administrator said so, or it is this machine itself. Content is verified by digest.
            tls.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (roots.Count > 0)
        {
            tls.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            {
                if (errors == SslPolicyErrors.None)
                {
                    return true;
                }

                if (certificate is null || chain is null || errors != SslPolicyErrors.RemoteCertificateChainErrors)
                {
                    return false;
                }

                using var leaf = new X509Certificate2(certificate);
                chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                chain.ChainPolicy.CustomTrustStore.AddRange(roots);
                return chain.Build(leaf);
            };
        }
    }

    /// <summary>Docker's layout: every <c>*.crt</c> is an authority, every <c>*.cert</c> a certificate of ours with a <c>*.key</c> beside it.</summary>
    private HostCertificates FromDirectory(string host)
    {
        var directory = options.CertificateDirectories.Select(d => Path.Combine(d, host)).FirstOrDefault(Directory.Exists);
        if (directory is null)
        {
            return new HostCertificates([], []);
        }

        var clients = new List<(string, string)>();
        foreach (var file in Directory.EnumerateFiles(directory, "*.cert").Order(StringComparer.Ordinal))
        {
            var key = Path.ChangeExtension(file, ".key");
            clients.Add(File.Exists(key)
                ? (file, key)
                : throw new ImageException(ImageErrorKind.InvalidArgument, $"missing key {Path.GetFileName(key)} for client certificate {Path.GetFileName(file)} in {directory}"));
        }

        return new HostCertificates([.. Directory.EnumerateFiles(directory, "*.crt").Order(StringComparer.Ordinal)], clients);
    }
}
