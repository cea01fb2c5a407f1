using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Cais.Daemon.Http;

/// <summary>TLS between the socket and the HTTP server, with or without a demand for a client certificate.</summary>
internal sealed class TlsConnection
{
    /// <summary>A client that does not finish its handshake must not hold a connection.</summary>
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    private readonly SslServerAuthenticationOptions _options;

    /// <param name="certificate">What the server shows, with its private key.</param>
    /// <param name="clientAuthority">Who must have signed a client's certificate; null when clients need none.</param>
    public TlsConnection(X509Certificate2 certificate, X509Certificate2Collection? clientAuthority)
    {
        _options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true),
            ClientCertificateRequired = clientAuthority is not null,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (clientAuthority is not null)
        {
            _options.RemoteCertificateValidationCallback = (_, shown, _, _) => shown is X509Certificate2 client && IsSignedBy(client, clientAuthority);
        }
    }

    /// <summary>Connection middleware: everything above it speaks plain text.</summary>
    public ConnectionDelegate Middleware(ConnectionDelegate next) => async connection =>
    {
        var socket = connection.Transport;
        var ssl = new SslStream(new DuplexPipeStream(socket), leaveInnerStreamOpen: false);
        await using (ssl.ConfigureAwait(false))
        {
            try
            {
                using var timeout = new CancellationTokenSource(HandshakeTimeout);
                await ssl.AuthenticateAsServerAsync(_options, timeout.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or AuthenticationException or OperationCanceledException)
            {
                return;
            }

            if (ssl.RemoteCertificate is X509Certificate2 certificate)
            {
                connection.Features.Set<ITlsConnectionFeature>(new Shown { ClientCertificate = certificate });
            }

            connection.Transport = new Plain(PipeReader.Create(ssl, new(leaveOpen: true)), PipeWriter.Create(ssl, new(leaveOpen: true)));
            try
            {
                await next(connection).ConfigureAwait(false);
            }
            finally
            {
                connection.Transport = socket;
            }
        }
    };

    private static bool IsSignedBy(X509Certificate2 client, X509Certificate2Collection authority)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid("1.3.6.1.5.5.7.3.2")); // TLS client (RFC 5280, 4.2.1.12)
        return chain.Build(client);
    }

    /// <summary>Who the client is, for those who ask further up.</summary>
    private sealed class Shown : ITlsConnectionFeature
    {
        public X509Certificate2? ClientCertificate { get; set; }

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult(ClientCertificate);
    }

    private sealed class Plain(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
