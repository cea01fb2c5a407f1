using System.Globalization;
using System.Net;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Engine.Logging;
using Cais.Images;
using Cais.Networking;

namespace Cais.Daemon.Configuration;

/// <summary>The daemon's settings as its parts take them.</summary>
internal sealed record DaemonOptions
{
    public required EngineOptions Engine { get; init; }

    public required ImageStoreOptions Images { get; init; }

    public required NetworkOptions Networks { get; init; }

    /// <summary>Where to listen, as given; empty for the default.</summary>
    public required IReadOnlyList<string> Hosts { get; init; }

    public required string SocketGroup { get; init; }

    public required string PidFile { get; init; }

    /// <summary>The configuration file, whether it exists or not.</summary>
    public required string ConfigFile { get; init; }

    public required LogLevel LogLevel { get; init; }

    public bool LogJson { get; init; }

    public required ApiVersion OldestApi { get; init; }

    public bool Tls { get; init; }

    public bool TlsVerify { get; init; }

    public required string TlsCa { get; init; }

    public required string TlsCertificate { get; init; }

    public required string TlsKey { get; init; }

    public bool AllowInsecureTcp { get; init; }

    /// <summary>Whether the user named the group, which then must exist.</summary>
    public bool SocketGroupGiven { get; init; }

    /// <summary>Where metrics are served in plain HTTP; null for nowhere.</summary>
    public IPEndPoint? Metrics { get; init; }

    /// <summary>Whose ids containers get; null or empty for the host's.</summary>
    public string? UserRemap { get; init; }

    /// <summary>Plugins that must agree to every request, in the order they are asked.</summary>
    public IReadOnlyList<string> AuthorizationPlugins { get; init; } = [];

    /// <summary>From the settings and, where they say nothing, the environment.</summary>
    /// <exception cref="ConfigurationException">A value that cannot be.</exception>
    public static DaemonOptions From(DaemonSettings settings, Func<string, string?>? environment = null)
    {
        var real = environment ?? Environment.GetEnvironmentVariable;
        environment = name => real(name) is { Length: > 0 } set ? set : null;
        var certificates = environment("DOCKER_CERT_PATH") ?? environment("DOCKER_CONFIG") ?? Path.Combine(environment("HOME") ?? "/root", ".docker");
        var verify = settings.Flag("tlsverify", environment("DOCKER_TLS_VERIFY") is not null);
        var debug = settings.Flag("debug", environment("DEBUG") is not null);
        CheckEnvironment(environment);
        return new DaemonOptions
        {
            Engine = EngineOf(settings, environment) with { Debug = debug },
            Images = ImagesOf(settings, environment),
            Networks = NetworksOf(settings),
            Hosts = settings.List("host"),
            ConfigFile = settings.File,
            SocketGroup = settings.Text("group") ?? "docker",
            SocketGroupGiven = settings.Text("group") is { Length: > 0 },
            Metrics = settings.Text("metrics-addr") is { Length: > 0 } metrics ? MetricsOf(metrics) : null,
            PidFile = settings.Text("pidfile") ?? "/run/caisd.pid",
            LogLevel = debug ? LogLevel.Debug : settings.Text("log-level") switch
            {
                "debug" => LogLevel.Debug,
                "warn" => LogLevel.Warn,
                "error" => LogLevel.Error,
                "fatal" => LogLevel.Fatal,
                _ => LogLevel.Info,
            },
            LogJson = settings.Text("log-format") == "json",
            OldestApi = OldestOf(settings, environment),
            Tls = settings.Has("tlsverify") || settings.Flag("tls") || verify,
            TlsVerify = verify,
            TlsCa = settings.Text("tlscacert") ?? Path.Combine(certificates, "ca.pem"),
            TlsCertificate = settings.Text("tlscert") ?? Path.Combine(certificates, "cert.pem"),
            TlsKey = settings.Text("tlskey") ?? Path.Combine(certificates, "key.pem"),
            UserRemap = settings.Text("userns-remap"),
            AuthorizationPlugins = [.. settings.List("authorization-plugin").Distinct()],
            AllowInsecureTcp = settings.Flag("allow-insecure-tcp"),
        };
    }

    /// <summary>What would change how containers run, and cannot be had.</summary>
    private static void CheckEnvironment(Func<string, string?> environment)
    {
        if (environment("DOCKER_DRIVER") is { } driver && driver is not ("overlayfs" or "overlay2"))
        {
            throw new ConfigurationException($"DOCKER_DRIVER={driver}: unknown storage driver: this engine has overlayfs only");
        }

        foreach (var name in (ReadOnlySpan<string>)["ROOTLESSKIT_STATE_DIR", "ROOTLESSKIT_PARENT_EUID"])
        {
            if (environment(name) is not null)
            {
                throw new ConfigurationException($"{name} is set: rootless mode is not supported: this engine needs root");
            }
        }

        if (environment("DOCKER_RAMDISK") is not null)
        {
            throw new ConfigurationException("DOCKER_RAMDISK is not supported: containers are never run without pivot_root by this engine");
        }
    }

    private static IPEndPoint MetricsOf(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(text[(colon + 1)..], out var port))
        {
            throw new ConfigurationException($"invalid metrics-addr {text}: write address:port");
        }

        var host = text[..colon].Trim('[', ']');
        return host switch
        {
            "" => new IPEndPoint(IPAddress.Any, port),
            "localhost" => new IPEndPoint(IPAddress.Loopback, port),
            _ => IPAddress.TryParse(host, out var address) ? new IPEndPoint(address, port) : throw new ConfigurationException($"invalid metrics-addr {text}: {host} is not an IP address"),
        };
    }

    private static ApiVersion OldestOf(DaemonSettings settings, Func<string, string?> environment)
    {
        var text = environment("DOCKER_MIN_API_VERSION") ?? settings.Text("min-api-version");
        if (text is null)
        {
            return ApiVersion.Oldest;
        }

        return ApiVersion.TryParse(text, out var version) && version >= ApiVersion.Oldest && version <= ApiVersion.Newest
            ? version
            : throw new ConfigurationException($"minimum API version \"{text}\" is invalid: must be between {ApiVersion.Oldest} and {ApiVersion.Newest}");
    }

    private static EngineOptions EngineOf(DaemonSettings settings, Func<string, string?> environment)
    {
        var root = settings.Text("data-root") ?? "/var/lib/cais";
        var run = settings.Text("exec-root") ?? "/run/cais";
        foreach (var option in settings.List("exec-opt"))
        {
            if (option is not "native.cgroupdriver=cgroupfs")
            {
                throw new ConfigurationException($"exec-opt {option} is not supported: this engine manages cgroups itself (native.cgroupdriver=cgroupfs)");
            }
        }

        var options = new EngineOptions
        {
            Root = Path.GetFullPath(root),
            RunDirectory = Path.GetFullPath(run),
            ShimPath = settings.Text("shim-path"),
            CgroupParent = settings.Text("cgroup-parent") is { Length: > 0 } parent ? "/" + parent.Trim('/') : "/cais",
            DefaultRuntime = settings.Text("default-runtime") ?? RuntimeChoice.BuiltIn,
            Runtimes = settings.Runtimes.ToDictionary(r => r.Key, r => new RuntimeChoice
            {
                Path = r.Value.Path,
                Arguments = r.Value.Arguments,
                Type = r.Value.Type,
                ConfigPath = r.Value.ConfigPath,
                TypeUrl = r.Value.TypeUrl,
                BinaryName = r.Value.BinaryName,
                ConfigBody = r.Value.ConfigBody,
                Root = r.Value.Root,
                SystemdCgroup = r.Value.SystemdCgroup,
                NoPivotRoot = r.Value.NoPivotRoot,
                NoNewKeyring = r.Value.NoNewKeyring,
            }),
            CdiDirectories = settings.List("cdi-spec-dir") is { Count: > 0 } directories ? [.. directories.Where(d => d.Length > 0)] : ["/etc/cdi", "/var/run/cdi"],
            DefaultShmSize = settings.Text("default-shm-size") is { } size ? SizeOf("default-shm-size", size) : 64 << 20,
            NoNewPrivileges = settings.Flag("no-new-privileges"),
            SeccompProfile = settings.Text("seccomp-profile"),
            DefaultUlimits = [.. settings.List("default-ulimit").Select(UlimitOf)],
            Init = settings.Flag("init"),
            InitPath = settings.Text("init-path"),
            DefaultStopTimeout = settings.Number("default-stop-timeout") ?? 10,
            LogDriver = settings.Text("log-driver") ?? "json-file",
            LogOptions = settings.Map("log-opt"),
            DefaultIpcMode = settings.Text("default-ipc-mode") ?? "private",
            DefaultCgroupNamespaceMode = settings.Text("default-cgroupns-mode"),
            Labels = settings.List("label"),
            Features = settings.Map("feature").ToDictionary(f => f.Key, f => f.Value is "true" or "1" or "t" or "T" or "TRUE" or "True"),
            Experimental = settings.Flag("experimental"),
            BuilderGc = settings.Builder.Limits(root),
            BuildHistoryAge = settings.Builder.HistoryAge,
            BuildHistoryEntries = settings.Builder.HistoryEntries,
            LiveRestore = true,
            HttpProxy = settings.Text("http-proxy") ?? environment("HTTP_PROXY") ?? environment("http_proxy"),
            HttpsProxy = settings.Text("https-proxy") ?? environment("HTTPS_PROXY") ?? environment("https_proxy"),
            NoProxy = settings.Text("no-proxy") ?? environment("NO_PROXY") ?? environment("no_proxy"),
            Trace = environment("CAIS_TRACE") is not null,
        };
        try
        {
            CaisEngine.ValidateLogging(options.LogDriver, options.LogOptions);
        }
        catch (EngineException e)
        {
            throw new ConfigurationException($"failed to set log opts: {e.Message}");
        }

        return options.DefaultRuntime == RuntimeChoice.BuiltIn || options.Runtimes.ContainsKey(options.DefaultRuntime) || HostConfigRules.IsRuntime(options.DefaultRuntime, options)
            ? options
            : throw new ConfigurationException($"specified default runtime '{options.DefaultRuntime}' does not exist");
    }

    private static ImageStoreOptions ImagesOf(DaemonSettings settings, Func<string, string?> environment) => new()
    {
        MaxConcurrentDownloads = settings.Number("max-concurrent-downloads") ?? 3,
        MaxConcurrentUploads = settings.Number("max-concurrent-uploads") ?? 5,
        MaxDownloadAttempts = settings.Number("max-download-attempts") ?? 5,
        InsecureRegistries = settings.List("insecure-registry"),
        RegistryMirrors = settings.List("registry-mirror"),
        HttpProxy = settings.Text("http-proxy") ?? environment("HTTP_PROXY") ?? environment("http_proxy"),
        HttpsProxy = settings.Text("https-proxy") ?? environment("HTTPS_PROXY") ?? environment("https_proxy"),
        NoProxy = settings.Text("no-proxy") ?? environment("NO_PROXY") ?? environment("no_proxy"),
    };

    private static NetworkOptions NetworksOf(DaemonSettings settings) => new()
    {
        BridgeName = settings.Text("bridge") is { Length: > 0 } bridge ? bridge : "docker0",
        BridgeAddress = settings.Text("bip"),
        BridgeAddressV6 = settings.Text("bip6"),
        FixedCidr = NetworkOf(settings, "fixed-cidr"),
        FixedCidrV6 = NetworkOf(settings, "fixed-cidr-v6"),
        DefaultGateway = AddressOf(settings, "default-gateway"),
        DefaultGatewayV6 = AddressOf(settings, "default-gateway-v6"),
        IPv6 = settings.Flag("ipv6"),
        DefaultAddressPools = [.. settings.List("default-address-pool").Select(PoolOf)],
        Mtu = settings.Number("mtu") is > 0 and var mtu ? mtu : 1500,
        InterContainerCommunication = settings.Flag("icc", true),
        IpMasquerade = settings.Flag("ip-masq", true),
        IpForward = settings.Flag("ip-forward", true),
        IpForwardNoDrop = settings.Flag("ip-forward-no-drop"),
        FirewallV4 = settings.Flag("iptables", true),
        FirewallV6 = settings.Flag("ip6tables", true),
        AllowDirectRouting = settings.Flag("allow-direct-routing"),
        UserlandProxy = settings.Has("userland-proxy") ? settings.Flag("userland-proxy") : null,
        DefaultBindingAddress = AddressOf(settings, "ip"),
        HostGatewayAddresses = [.. settings.List("host-gateway-ip").Concat(settings.List("host-gateway-ip-old")).Select(a => Parse("host-gateway-ip", a))],
        Dns = [.. settings.List("dns").Select(a => Parse("dns", a))],
        DnsSearch = settings.List("dns-search"),
        DnsOptions = settings.List("dns-opt"),
        DefaultNetworkOptions = settings.List("default-network-opt")
            .Select(o => o.Split('=', 3))
            .Where(o => o.Length == 3)
            .GroupBy(o => o[0])
            .ToDictionary(g => g.Key, IReadOnlyDictionary<string, string> (g) => g.ToDictionary(o => o[1], o => o[2])),
    };

    private static IPAddress? AddressOf(DaemonSettings settings, string name) => settings.Text(name) is { Length: > 0 } text ? Parse(name, text) : null;

    private static IPAddress Parse(string name, string text) =>
        IPAddress.TryParse(text, out var address) ? address : throw new ConfigurationException($"{name}: {text} is not an ip address");

    private static IPNetwork? NetworkOf(DaemonSettings settings, string name) => settings.Text(name) is not { Length: > 0 } text ? null
        : IPNetwork.TryParse(text, out var network) ? network
        : throw new ConfigurationException($"{name}: invalid CIDR address: {text}");

    private static AddressPool PoolOf(string text)
    {
        var fields = text.Split(',').Select(f => f.Split('=', 2)).Where(f => f.Length == 2).ToDictionary(f => f[0], f => f[1]);
        return fields.TryGetValue("base", out var from) && IPNetwork.TryParse(from, out var network)
            && fields.TryGetValue("size", out var size) && int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var bits)
            && bits >= network.PrefixLength
            ? new AddressPool(network, bits)
            : throw new ConfigurationException($"invalid default address pool: {text}: write base=10.10.0.0/16,size=24");
    }

    private static Ulimit UlimitOf(string text)
    {
        var parts = text.Split(['=', ':']);
        return parts.Length is 2 or 3
            && long.TryParse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var soft)
            && long.TryParse(parts[^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var hard)
            ? new Ulimit { Name = parts[0], Soft = soft, Hard = hard }
            : throw new ConfigurationException($"invalid ulimit argument: {text}");
    }

    private static long SizeOf(string name, string text) =>
        Sizes.TryParse(text, out var bytes) ? bytes : throw new ConfigurationException($"invalid {name}: {text}");
}
