using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Cais.Client.Http;

/// <summary>TLS over another connection, with docker's certificate files.</summary>
internal sealed class TlsDuplexStream : DuplexStream
{
    private readonly DuplexStream _plain;
    private readonly SslStream _tls;

    private TlsDuplexStream(DuplexStream plain, SslStream tls) => (_plain, _tls) = (plain, tls);

    /// <exception cref="EngineConnectionException">A file cannot be read, or the handshake failed.</exception>
    public static async ValueTask<TlsDuplexStream> AuthenticateAsync(
        DuplexStream plain, EngineEndpoint endpoint, TlsSettings settings, CancellationToken cancellationToken)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = settings.ServerName ?? endpoint.Host,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        SslStream? tls = null;
        try
        {
            if (settings is { CertificateFile: { } certificate, KeyFile: { } key })
            {
                options.ClientCertificates = [X509Certificate2.CreateFromPemFile(certificate, key)];
            }

            if (!settings.Verify)
            {
                // The user asked for encryption without authentication (--tls); docker does the same.
#pragma warning disable CA5359
                options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
            }
            else if (settings.CaFile is { } ca)
            {
                var roots = new X509Certificate2Collection();
                roots.ImportFromPemFile(ca);
                options.CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck,
                };
                options.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
            }

            tls = new SslStream(plain);
            await tls.AuthenticateAsClientAsync(options, cancellationToken).ConfigureAwait(false);
            return new TlsDuplexStream(plain, tls);
        }
        catch (Exception e) when (e is AuthenticationException or CryptographicException or IOException or UnauthorizedAccessException)
        {
            tls?.Dispose();
            plain.Dispose();
            throw new EngineConnectionException(
                $"error during connect: {endpoint.Text}: tls: {e.InnerException?.Message ?? e.Message}", e);
        }
    }

    public override int Read(Span<byte> buffer) => _tls.Read(buffer);

    public override void Write(ReadOnlySpan<byte> buffer) => _tls.Write(buffer);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _tls.ReadAsync(buffer, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        _tls.WriteAsync(buffer, cancellationToken);

    /// <summary>Sends close_notify: the TLS word for half-close.</summary>
    public override void CompleteWrites()
    {
        try
        {
            _tls.ShutdownAsync().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
        }
    }

    public override void Abort() => _plain.Abort();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _tls.Dispose();
            _plain.Dispose();
        }

        base.Dispose(disposing);
    }
}
