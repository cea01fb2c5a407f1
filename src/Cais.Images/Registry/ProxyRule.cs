using System.Net;

namespace Cais.Images.Registry;

/// <summary>
/// Which requests go through which proxy: HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's programs read them (golang.org/x/net/http/httpproxy), so that
/// a machine's settings mean the same here. This machine itself is never asked through a proxy.
/// </summary>
internal sealed class ProxyRule : IWebProxy
{
    private readonly Uri? _http;
    private readonly Uri? _https;
    private readonly string[] _except;

    public ProxyRule(string? http, string? https, string? except)
    {
        (_http, _https) = (Parse(http, "http-proxy"), Parse(https, "https-proxy"));
        _except = [.. (except ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(e => e.ToLowerInvariant())];
        Credentials = new FromAddress();
    }

    public ICredentials? Credentials { get; set; }

    /// <summary>Whether there is anything to do.</summary>
    public bool IsEmpty => _http is null && _https is null;

    public Uri? GetProxy(Uri destination) => IsBypassed(destination) ? null : destination.Scheme == "https" ? _https : _http;

    public bool IsBypassed(Uri host)
    {
        if ((host.Scheme == "https" ? _https : _http) is null)
        {
            return true;
        }

        var name = host.IdnHost.TrimEnd('.').ToLowerInvariant();
        var isAddress = IPAddress.TryParse(name.Trim('[', ']'), out var address);
        return name == "localhost" || (isAddress && IPAddress.IsLoopback(address!)) || _except.Any(e => Excepts(e, name, host.Port, address));
    }

    private static bool Excepts(string entry, string name, int port, IPAddress? address)
    {
        if (entry == "*")
        {
            return true;
        }

        if (IPNetwork.TryParse(entry, out var network))
        {
            return address is not null && network.Contains(address);
        }

        var colon = entry.LastIndexOf(':');
        if (colon > 0 && int.TryParse(entry.AsSpan(colon + 1), out var wanted) && (entry.IndexOf(':', StringComparison.Ordinal) == colon || entry.StartsWith('[')))
        {
            if (wanted != port)
            {
                return false;
            }

            entry = entry[..colon];
        }

        if (IPAddress.TryParse(entry.Trim('[', ']'), out var one))
        {
            return one.Equals(address);
        }

        if (entry.StartsWith("*.", StringComparison.Ordinal))
        {
            entry = entry[1..];
        }

        // A leading dot means what is below a domain; without one the domain itself too.
        return entry.StartsWith('.')
            ? name.EndsWith(entry, StringComparison.Ordinal)
            : name == entry || (name.EndsWith(entry, StringComparison.Ordinal) && name[name.Length - entry.Length - 1] == '.');
    }

    private static Uri? Parse(string? text, string what)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        var address = text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text;
        return Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" or "socks5" or "socks4" or "socks4a"
            ? uri
            : throw new ImageException(ImageErrorKind.InvalidArgument, $"invalid {what} \"{text}\": a URL like http://proxy.example.com:3128 was expected");
    }

    /// <summary>Name and password stand in the proxy's own address.</summary>
    private sealed class FromAddress : ICredentials
    {
        public NetworkCredential? GetCredential(Uri uri, string authType)
        {
            if (uri.UserInfo.Length == 0)
            {
                return null;
            }

            var parts = uri.UserInfo.Split(':', 2);
            return new NetworkCredential(Uri.UnescapeDataString(parts[0]), parts.Length > 1 ? Uri.UnescapeDataString(parts[1]) : "");
        }
    }
}
