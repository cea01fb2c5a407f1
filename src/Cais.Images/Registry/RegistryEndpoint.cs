using System.Net;

namespace Cais.Images.Registry;

/// <summary>One place where a registry's repositories can be had.</summary>
internal sealed record RegistryEndpoint
{
    private const string DockerHub = "registry-1.docker.io";

    /// <summary>Host and port.</summary>
    public required string Host { get; init; }

    /// <summary>A bad certificate, or plain HTTP, will do.</summary>
    public bool AllowInsecure { get; init; }

    /// <summary>Null: to be found out.</summary>
    public string? Scheme { get; init; }

    public string PathPrefix { get; init; } = "";

    /// <summary>The prefix is the whole path: no <c>/v2</c> is put behind it.</summary>
    public bool OverridesPath { get; init; }

    /// <summary>Somebody else's: gets none of the registry's credentials, and its failures are not the last word.</summary>
    public bool IsMirror { get; init; }

    /// <summary>The registry it stands for, told to a mirror that may serve several.</summary>
    public string? Namespace { get; init; }

    /// <summary>May be asked what a tag points to, not for blobs alone.</summary>
    public bool CanResolve { get; init; } = true;

    /// <summary>Sent with every request.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Its certificates, if a hosts.toml names them.</summary>
    public HostCertificates? Certificates { get; init; }

    /// <summary>A host of which nothing special is known.</summary>
    public static RegistryEndpoint Plain(string authority, bool insecure) => new() { Host = authority, AllowInsecure = insecure };

    /// <summary>
    /// Where to look for a registry's images, in order: as its hosts.toml says, otherwise the mirrors of Docker Hub and then the registry itself.
    /// Throws <see cref="ImageException"/> if a configuration cannot be read.
    /// </summary>
    public static IReadOnlyList<RegistryEndpoint> For(string domain, ImageStoreOptions options, bool push)
    {
        if (HostsFile.Find(domain, options) is { } hosts)
        {
            return hosts.EndpointsOf(domain, options, push, Itself(domain, options));
        }

        var endpoints = new List<RegistryEndpoint>();
        if (domain == Oci.Images.Reference.DefaultDomain && !push)
        {
            foreach (var mirror in options.RegistryMirrors)
            {
                var uri = new Uri(mirror.Contains("://", StringComparison.Ordinal) ? mirror : "https://" + mirror);
                endpoints.Add(new RegistryEndpoint
                {
                    Host = uri.Authority,
                    AllowInsecure = IsInsecure(uri.Authority, options),
                    Scheme = uri.Scheme,
                    PathPrefix = uri.AbsolutePath.TrimEnd('/'),
                    IsMirror = true,
                });
            }
        }

        endpoints.Add(Itself(domain, options));
        return endpoints;
    }

    /// <summary>The registry that a name's first part names.</summary>
    public static RegistryEndpoint Itself(string domain, ImageStoreOptions options)
    {
        if (domain == Oci.Images.Reference.DefaultDomain)
        {
            return new RegistryEndpoint { Host = DockerHub, Scheme = "https" };
        }

        var insecure = IsInsecure(domain, options);
        return new RegistryEndpoint { Host = domain, AllowInsecure = insecure, Scheme = insecure ? null : "https" };
    }

    /// <summary>Loopback always is, as in Docker; otherwise what insecure-registries lists by name or network.</summary>
    internal static bool IsInsecure(string authority, ImageStoreOptions options)
    {
        var host = HostOf(authority);
        if (host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address)))
        {
            return true;
        }

        foreach (var entry in options.InsecureRegistries)
        {
            if (string.Equals(entry, authority, StringComparison.OrdinalIgnoreCase) || string.Equals(entry, host, StringComparison.OrdinalIgnoreCase)
                || (IPNetwork.TryParse(entry, out var network) && IPAddress.TryParse(host, out var ip) && network.Contains(ip)))
            {
                return true;
            }
        }

        return false;
    }

    private static string HostOf(string authority)
    {
        if (authority.StartsWith('['))
        {
            return authority[1..authority.IndexOf(']', StringComparison.Ordinal)];
        }

        var colon = authority.LastIndexOf(':');
        return colon < 0 ? authority : authority[..colon];
    }
}
