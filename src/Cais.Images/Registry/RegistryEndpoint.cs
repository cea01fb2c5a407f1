using System.Net;

namespace Cais.Images.Registry;

/// <summary>One place where a registry's repositories can be had. <see cref="AllowInsecure"/>: a bad certificate, or plain HTTP, will do.</summary>
internal sealed record RegistryEndpoint(string Host, bool AllowInsecure, string? Scheme, string PathPrefix, bool IsMirror)
{
    private const string DockerHub = "registry-1.docker.io";

    /// <summary>Where to look for a registry's images, in order.</summary>
    public static IReadOnlyList<RegistryEndpoint> For(string domain, ImageStoreOptions options, bool push)
    {
        var endpoints = new List<RegistryEndpoint>();
        if (domain == Oci.Images.Reference.DefaultDomain)
        {
            if (!push)
            {
                foreach (var mirror in options.RegistryMirrors)
                {
                    var uri = new Uri(mirror.Contains("://", StringComparison.Ordinal) ? mirror : "https://" + mirror);
                    endpoints.Add(new RegistryEndpoint(uri.Authority, IsInsecure(uri.Authority, options), uri.Scheme, uri.AbsolutePath.TrimEnd('/'), IsMirror: true));
                }
            }

            endpoints.Add(new RegistryEndpoint(DockerHub, AllowInsecure: false, "https", "", IsMirror: false));
            return endpoints;
        }

        var insecure = IsInsecure(domain, options);
        endpoints.Add(new RegistryEndpoint(domain, insecure, insecure ? null : "https", "", IsMirror: false));
        return endpoints;
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
