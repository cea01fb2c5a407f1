using System.Globalization;

namespace Cais.Client;

/// <summary>How the daemon is reached.</summary>
public enum EndpointKind
{
    Unix,
    Tcp,
    Ssh,
}

/// <summary>Where a daemon listens, in docker's <c>-H</c> notation: <c>unix:///path</c>, <c>tcp://host:port/base</c>, <c>ssh://user@host:port</c>.</summary>
public sealed record EngineEndpoint
{
    /// <summary>The notation itself, for messages.</summary>
    public required string Text { get; init; }

    public required EndpointKind Kind { get; init; }

    /// <summary>Path of the socket (unix), or the prefix of every request path without a trailing slash (tcp).</summary>
    public string Path { get; init; } = "";

    public string Host { get; init; } = "";

    /// <summary>TCP port; 0 where none was given (ssh).</summary>
    public int Port { get; init; }

    public string User { get; init; } = "";

    /// <summary>Certificates for <c>tcp://</c>; null speaks plain HTTP.</summary>
    public TlsSettings? Tls { get; init; }

    /// <exception cref="FormatException">The text names no endpoint; the message says why.</exception>
    public static EngineEndpoint Parse(string text, TlsSettings? tls = null)
    {
        var separator = text.IndexOf("://", StringComparison.Ordinal);
        if (separator < 0)
        {
            throw new FormatException($"unable to parse docker host `{text}`");
        }

        var rest = text[(separator + 3)..];
        return text[..separator] switch
        {
            "unix" => new EngineEndpoint { Text = text, Kind = EndpointKind.Unix, Path = rest },
            "tcp" or "http" or "https" => ParseTcp(text, rest, tls),
            "ssh" => ParseSsh(text, rest),
            var scheme => throw new FormatException($"protocol \"{scheme}\" of `{text}` is not supported: use unix://, tcp:// or ssh://"),
        };
    }

    private static EngineEndpoint ParseTcp(string text, string rest, TlsSettings? tls)
    {
        var slash = rest.IndexOf('/');
        var authority = slash < 0 ? rest : rest[..slash];
        var path = slash < 0 ? "" : rest[slash..].TrimEnd('/');
        var (host, port) = SplitAuthority(text, authority);
        return new EngineEndpoint
        {
            Text = text,
            Kind = EndpointKind.Tcp,
            Host = host.Length == 0 ? "localhost" : host,
            Port = port ?? (tls is null ? 2375 : 2376),
            Path = path,
            Tls = tls,
        };
    }

    private static EngineEndpoint ParseSsh(string text, string rest)
    {
        var slash = rest.IndexOf('/');
        var authority = slash < 0 ? rest : rest[..slash];
        var at = authority.LastIndexOf('@');
        var (host, port) = SplitAuthority(text, authority[(at + 1)..]);
        if (host.Length == 0 || host.StartsWith('-'))
        {
            throw new FormatException($"no host specified in `{text}`");
        }

        return new EngineEndpoint
        {
            Text = text,
            Kind = EndpointKind.Ssh,
            User = at < 0 ? "" : authority[..at],
            Host = host,
            Port = port ?? 0,
            Path = slash < 0 ? "" : rest[slash..],
        };
    }

    private static (string Host, int? Port) SplitAuthority(string text, string authority)
    {
        var hostEnd = authority.StartsWith('[') ? authority.IndexOf(']') + 1 : authority.IndexOf(':');
        if (hostEnd <= 0 || hostEnd >= authority.Length)
        {
            return (authority.Trim('[', ']'), null);
        }

        var host = authority[..hostEnd].Trim('[', ']');
        return authority[hostEnd] == ':'
            && int.TryParse(authority.AsSpan(hostEnd + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            && port is > 0 and < 65536
            ? (host, port)
            : throw new FormatException($"invalid port in `{text}`");
    }
}

/// <summary>Certificates of a TLS connection, as PEM files.</summary>
/// <param name="CaFile">Certificates that the server's must descend from; null takes the system's.</param>
/// <param name="CertificateFile">The client's own certificate, or null.</param>
/// <param name="KeyFile">The key of <paramref name="CertificateFile"/>.</param>
/// <param name="Verify">Whether the server's certificate is checked at all (docker's <c>--tlsverify</c>).</param>
public sealed record TlsSettings(string? CaFile, string? CertificateFile, string? KeyFile, bool Verify)
{
    /// <summary>Name to check in the server's certificate; null takes the host's.</summary>
    public string? ServerName { get; init; }
}
