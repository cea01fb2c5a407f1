using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Cais.Images.Registry;

/// <summary>HTTP clients by host, with the certificates that the administrator laid down for it. Idle connections are soon closed.</summary>
internal sealed class RegistryHttp(ImageStoreOptions options) : IDisposable
{
    private readonly Dictionary<(string Host, bool Insecure), HttpClient> _clients = [];
    private readonly Dictionary<string, string> _schemes = [];
    private readonly Lock _gate = new();

    public HttpClient ClientFor(string host, bool allowInsecure)
    {
        lock (_gate)
        {
            if (!_clients.TryGetValue((host, allowInsecure), out var client))
            {
                _clients[(host, allowInsecure)] = client = Create(host, allowInsecure);
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
            using var answer = await ClientFor(endpoint.Host, allowInsecure: true)
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }

    private HttpClient Create(string host, bool allowInsecure)
    {
        var handler = new SocketsHttpHandler
        {
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(15),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            MaxAutomaticRedirections = 10,
            UseCookies = false,
        };
        AddCertificates(host, handler.SslOptions, allowInsecure);
        return new HttpClient(handler)
        {
            // Transfers may take hours; what must not is waiting for a sign of life, which callers limit themselves.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    private void AddCertificates(string host, SslClientAuthenticationOptions tls, bool allowInsecure)
    {
        var roots = new X509Certificate2Collection();
        var own = new X509Certificate2Collection();
        var directory = options.CertificateDirectories.Select(d => Path.Combine(d, host)).FirstOrDefault(Directory.Exists);
        if (directory is not null)
        {
            foreach (var file in Directory.EnumerateFiles(directory, "*.crt"))
            {
                roots.ImportFromPemFile(file);
            }

            foreach (var file in Directory.EnumerateFiles(directory, "*.cert"))
            {
                var key = Path.ChangeExtension(file, ".key");
                own.Add(File.Exists(key)
                    ? X509Certificate2.CreateFromPemFile(file, key)
                    : throw new ImageException(ImageErrorKind.InvalidArgument, $"missing key {Path.GetFileName(key)} for client certificate {Path.GetFileName(file)} in {directory}"));
            }
        }

        if (own.Count > 0)
        {
            tls.ClientCertificates = own;
        }

        if (allowInsecure)
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
}
