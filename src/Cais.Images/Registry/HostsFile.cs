namespace Cais.Images.Registry;

/// <summary>Certificates for one host: authorities to trust besides the system's, and what to show of ourselves (certificate and key; one file may hold both).</summary>
internal sealed record HostCertificates(IReadOnlyList<string> Authorities, IReadOnlyList<(string Certificate, string Key)> Clients);

/// <summary>
/// <c>certs.d/&lt;host:port&gt;/hosts.toml</c>: where else a registry's images can be had, in containerd's format (docs/hosts.md there), so that any registry can have
/// mirrors. <c>certs.d/_default/hosts.toml</c> is for all registries that have no directory of their own.
/// </summary>
internal sealed class HostsFile
{
    private const string FileName = "hosts.toml";

    private readonly string _directory;
    private readonly TomlTable _file;

    private HostsFile(string directory, TomlTable file) => (_directory, _file) = (directory, file);

    /// <summary>The file for a registry, or null. Throws <see cref="ImageException"/> if it cannot be read.</summary>
    public static HostsFile? Find(string domain, ImageStoreOptions options)
    {
        foreach (var name in (ReadOnlySpan<string>)[domain, "_default"])
        {
            foreach (var directory in options.CertificateDirectories.Select(d => Path.Combine(d, name)))
            {
                var path = Path.Combine(directory, FileName);
                if (!File.Exists(path))
                {
                    continue;
                }

                try
                {
                    return new HostsFile(directory, TomlTable.Parse(File.ReadAllText(path)));
                }
                catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
                {
                    throw new ImageException(ImageErrorKind.InvalidArgument, $"{path}: {e.Message}", e);
                }
            }
        }

        return null;
    }

    /// <summary>The hosts of the file that may do what is wanted, in its order, and then the server it names, or <paramref name="itself"/>.</summary>
    public IReadOnlyList<RegistryEndpoint> EndpointsOf(string domain, ImageStoreOptions options, bool push, RegistryEndpoint itself)
    {
        try
        {
            var endpoints = new List<RegistryEndpoint>();
            foreach (var (address, settings) in _file.Table("host")?.Tables ?? [])
            {
                var can = settings.Strings("capabilities") ?? ["pull", "resolve", "push"];
                if (can.Contains(push ? "push" : "pull"))
                {
                    endpoints.Add(Endpoint(address, settings, domain, options) with { IsMirror = true, CanResolve = push || can.Contains("resolve") });
                }
            }

            var server = _file.String("server") is { Length: > 0 } named ? Endpoint(named, _file, domain, options) : itself with { Certificates = CertificatesOf(_file) };
            endpoints.Add(server with { IsMirror = false, CanResolve = true });
            return endpoints;
        }
        catch (FormatException e)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"{Path.Combine(_directory, FileName)}: {e.Message}", e);
        }
    }

    private RegistryEndpoint Endpoint(string address, TomlTable settings, string domain, ImageStoreOptions options)
    {
        if (!Uri.TryCreate(address.Contains("://", StringComparison.Ordinal) ? address : "https://" + address, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
        {
            throw new FormatException($"\"{address}\" is no address of a registry");
        }

        var path = uri.AbsolutePath.TrimEnd('/');
        var overrides = settings.Bool("override_path");
        return new RegistryEndpoint
        {
            Host = uri.Authority,
            Scheme = uri.Scheme,
            AllowInsecure = settings.Bool("skip_verify") || RegistryEndpoint.IsInsecure(uri.Authority, options),
            PathPrefix = !overrides && path.EndsWith("/v2", StringComparison.Ordinal) ? path[..^3] : path,
            OverridesPath = overrides,
            Namespace = string.Equals(uri.Authority, RegistryEndpoint.Itself(domain, options).Host, StringComparison.OrdinalIgnoreCase) ? null : domain,
            Headers = [.. (settings.Table("header")?.Keys ?? []).SelectMany(k => (settings.Table("header")!.Strings(k) ?? []).Select(v => (k, v)))],
            Certificates = CertificatesOf(settings),
        };
    }

    private HostCertificates? CertificatesOf(TomlTable settings)
    {
        var authorities = settings.Strings("ca") ?? [];
        var clients = settings.Pairs("client");
        return authorities.Count == 0 && clients.Count == 0
            ? null
            : new HostCertificates([.. authorities.Select(Absolute)], [.. clients.Select(c => (Absolute(c.First), Absolute(c.Second)))]);
    }

    private string Absolute(string path) => Path.Combine(_directory, path);
}
