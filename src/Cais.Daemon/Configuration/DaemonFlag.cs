namespace Cais.Daemon.Configuration;

/// <summary>What kind of value a flag takes.</summary>
internal enum FlagKind
{
    Text,
    Number,
    Bool,

    /// <summary>May be given several times.</summary>
    List,

    /// <summary><c>name=value</c>, several times.</summary>
    Map,

    /// <summary>An object in the file; on the command line <c>name=value,name=value</c>.</summary>
    Object,
}

/// <summary>What comes of a setting.</summary>
internal enum SettingEffect
{
    /// <summary>It does what it says.</summary>
    Applies,

    /// <summary>Taken, and nothing changes: what it asks for is so in any case, or what it is about does not exist here.</summary>
    Harmless,

    /// <summary>The daemon does not start with it: it cannot be had, and going on without it would not be what was asked for.</summary>
    Refused,
}

/// <summary>One of dockerd's flags: its long name, its letter, and the key that says the same in daemon.json.</summary>
internal sealed record DaemonFlag(string Name, char? Letter, string? Key, FlagKind Kind, string Meaning)
{
    public SettingEffect Effect { get; init; }

    /// <summary>Why it is harmless or refused.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Of a refused flag, the values that ask for nothing.</summary>
    public IReadOnlyList<string> Neutral { get; init; } = [];

    /// <summary>Only in the file, as with dockerd.</summary>
    public bool FileOnly { get; init; }

    /// <summary>Whether a change in the file takes effect on SIGHUP.</summary>
    public bool Reloadable { get; init; }

    public static readonly IReadOnlyList<DaemonFlag> All =
    [
        new("add-runtime", null, "runtimes", FlagKind.Map, "Register an additional OCI compatible runtime") { Reloadable = true },
        new("allow-direct-routing", null, "allow-direct-routing", FlagKind.Bool, "Allow remote access to published ports on container IP addresses"),
        new("bip", null, "bip", FlagKind.Text, "IPv4 address for the default bridge"),
        new("bip6", null, "bip6", FlagKind.Text, "IPv6 address for the default bridge"),
        new("bridge", 'b', "bridge", FlagKind.Text, "Attach containers to a network bridge"),
        new("cdi-spec-dir", null, "cdi-spec-dirs", FlagKind.List, "CDI specification directories to use"),
        new("cgroup-parent", null, "cgroup-parent", FlagKind.Text, "Set parent cgroup for all containers"),
        new("config-file", null, null, FlagKind.Text, "Daemon configuration file"),
        new("data-root", null, "data-root", FlagKind.Text, "Root directory of persistent state"),
        new("debug", 'D', "debug", FlagKind.Bool, "Enable debug mode") { Reloadable = true },
        new("default-address-pool", null, "default-address-pools", FlagKind.List, "Default address pools for node specific local networks"),
        new("default-cgroupns-mode", null, "default-cgroupns-mode", FlagKind.Text, "Default mode for containers cgroup namespace (\"host\" | \"private\")") { Reloadable = true },
        new("default-gateway", null, "default-gateway", FlagKind.Text, "Default gateway IPv4 address for the default bridge network"),
        new("default-gateway-v6", null, "default-gateway-v6", FlagKind.Text, "Default gateway IPv6 address for the default bridge network"),
        new("default-ipc-mode", null, "default-ipc-mode", FlagKind.Text, "Default mode for containers ipc (\"shareable\" | \"private\")") { Reloadable = true },
        new("default-network-opt", null, "default-network-opts", FlagKind.List, "Default network options"),
        new("default-runtime", null, "default-runtime", FlagKind.Text, "Default OCI runtime for containers") { Reloadable = true },
        new("default-shm-size", null, "default-shm-size", FlagKind.Text, "Default shm size for containers") { Reloadable = true },
        new("default-stop-timeout", null, "default-stop-timeout", FlagKind.Number, "Default time before a container that is stopped is killed, in seconds") { Reloadable = true },
        new("default-ulimit", null, "default-ulimits", FlagKind.List, "Default ulimits for containers"),
        new("dns", null, "dns", FlagKind.List, "DNS server to use"),
        new("dns-opt", null, "dns-opts", FlagKind.List, "DNS options to use"),
        new("dns-search", null, "dns-search", FlagKind.List, "DNS search domains to use"),
        new("exec-opt", null, "exec-opts", FlagKind.List, "Runtime execution options") { Effect = SettingEffect.Harmless, Reason = "native.cgroupdriver=cgroupfs is how it is in any case; anything else is an error" },
        new("exec-root", null, "exec-root", FlagKind.Text, "Root directory for execution state files"),
        new("experimental", null, "experimental", FlagKind.Bool, "Enable experimental features"),
        new("feature", null, "features", FlagKind.Map, "Enable feature in the daemon") { Reloadable = true },
        new("firewall-backend", null, "firewall-backend", FlagKind.Text, "Firewall backend to use; nftables is the only one here") { Effect = SettingEffect.Harmless, Reason = "the engine has one nftables table of its own, and never touches others' rules" },
        new("fixed-cidr", null, "fixed-cidr", FlagKind.Text, "IPv4 subnet for the default bridge network"),
        new("fixed-cidr-v6", null, "fixed-cidr-v6", FlagKind.Text, "IPv6 subnet for the default bridge network"),
        new("group", 'G', "group", FlagKind.Text, "Group for the unix socket"),
        new("host", 'H', "hosts", FlagKind.List, "Daemon socket(s) to connect to"),
        new("host-gateway-ip", null, "host-gateway-ips", FlagKind.List, "IP addresses that the special 'host-gateway' string in --add-host resolves to"),
        new("http-proxy", null, "http-proxy", FlagKind.Text, "HTTP proxy URL to use for outgoing traffic"),
        new("https-proxy", null, "https-proxy", FlagKind.Text, "HTTPS proxy URL to use for outgoing traffic"),
        new("no-proxy", null, "no-proxy", FlagKind.Text, "Comma-separated list of hosts or IP addresses for which the proxy is skipped"),
        new("icc", null, "icc", FlagKind.Bool, "Enable inter-container communication for the default bridge network"),
        new("init", null, "init", FlagKind.Bool, "Run an init in the container to forward signals and reap processes"),
        new("init-path", null, "init-path", FlagKind.Text, "Path to the init binary"),
        new("insecure-registry", null, "insecure-registries", FlagKind.List, "Enable insecure registry communication") { Reloadable = true },
        new("ip", null, "ip", FlagKind.Text, "Host IP for port publishing from the default bridge network"),
        new("ip-forward", null, "ip-forward", FlagKind.Bool, "Enable IP forwarding in system configuration"),
        new("ip-forward-no-drop", null, "ip-forward-no-drop", FlagKind.Bool, "Do not set the filter-FORWARD policy to DROP when enabling IP forwarding"),
        new("ip-masq", null, "ip-masq", FlagKind.Bool, "Enable IP masquerading for the default bridge network"),
        new("ip6tables", null, "ip6tables", FlagKind.Bool, "Enable addition of IPv6 firewall rules"),
        new("iptables", null, "iptables", FlagKind.Bool, "Enable addition of IPv4 firewall rules"),
        new("ipv6", null, "ipv6", FlagKind.Bool, "Enable IPv6 networking for the default bridge network"),
        new("label", null, "labels", FlagKind.List, "Set key=value labels to the daemon") { Reloadable = true },
        new("live-restore", null, "live-restore", FlagKind.Bool, "Containers are always kept running without the daemon; accepted for compatibility") { Effect = SettingEffect.Harmless, Reason = "containers always go on without the daemon", Reloadable = true },
        new("log-driver", null, "log-driver", FlagKind.Text, "Default driver for container logs"),
        new("log-format", null, "log-format", FlagKind.Text, "Set the logging format (\"text\"|\"json\")"),
        new("log-level", 'l', "log-level", FlagKind.Text, "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\")"),
        new("log-opt", null, "log-opts", FlagKind.Map, "Default log driver options for containers"),
        new("max-concurrent-downloads", null, "max-concurrent-downloads", FlagKind.Number, "Set the max concurrent downloads") { Reloadable = true },
        new("max-concurrent-uploads", null, "max-concurrent-uploads", FlagKind.Number, "Set the max concurrent uploads") { Reloadable = true },
        new("max-download-attempts", null, "max-download-attempts", FlagKind.Number, "Set the max download attempts for each pull") { Reloadable = true },
        new("min-api-version", null, "min-api-version", FlagKind.Text, "Lowest API version served"),
        new("mtu", null, "mtu", FlagKind.Number, "Set the MTU for the default \"bridge\" network"),
        new("no-new-privileges", null, "no-new-privileges", FlagKind.Bool, "Set no-new-privileges by default for new containers"),
        new("pidfile", 'p', "pidfile", FlagKind.Text, "Path to use for daemon PID file"),
        new("raw-logs", null, "raw-logs", FlagKind.Bool, "Full timestamps without ANSI coloring, which is the only form here") { Effect = SettingEffect.Harmless, Reason = "the daemon's log has full timestamps and no colour in any case" },
        new("registry-mirror", null, "registry-mirrors", FlagKind.List, "Preferred registry mirror") { Reloadable = true },
        new("seccomp-profile", null, "seccomp-profile", FlagKind.Text, "Path to seccomp profile. Set to \"unconfined\" to disable the default seccomp profile"),
        new("shutdown-timeout", null, "shutdown-timeout", FlagKind.Number, "Accepted for compatibility: stopping the daemon stops no container") { Effect = SettingEffect.Harmless, Reason = "stopping the daemon stops no container, so there is nothing to wait for", Reloadable = true },
        new("storage-driver", 's', "storage-driver", FlagKind.Text, "Storage driver to use; overlayfs is the only one here") { Effect = SettingEffect.Harmless, Reason = "overlayfs (also under the name overlay2) is the only one; any other name is an error" },
        new("tls", null, "tls", FlagKind.Bool, "Use TLS; implied by --tlsverify"),
        new("tlscacert", null, "tlscacert", FlagKind.Text, "Trust certs signed only by this CA"),
        new("tlscert", null, "tlscert", FlagKind.Text, "Path to TLS certificate file"),
        new("tlskey", null, "tlskey", FlagKind.Text, "Path to TLS key file"),
        new("tlsverify", null, "tlsverify", FlagKind.Bool, "Use TLS and verify the remote"),
        new("authorization-plugin", null, "authorization-plugins", FlagKind.List, "Authorization plugins to load") { Reloadable = true },
        new("bridge-accept-fwmark", null, "bridge-accept-fwmark", FlagKind.Text, "Packet mark that lets packets into bridges")
        {
            Effect = SettingEffect.Refused, Reason = "the engine's rules do not look at packet marks", Neutral = [""],
        },
        new("builder", null, "builder", FlagKind.Object, "Build cache and BuildKit settings") { FileOnly = true },
        Absent("containerd", FlagKind.Text, "containerd grpc address", "there is no containerd: the daemon speaks to shims itself"),
        Absent("containerd-namespace", FlagKind.Text, "Containerd namespace to use", "there is no containerd"),
        Absent("containerd-plugins-namespace", FlagKind.Text, "Containerd namespace to use for plugins", "there is no containerd"),
        new("cpu-rt-period", null, "cpu-rt-period", FlagKind.Number, "Limit the CPU real-time period of the parent cgroup in microseconds")
        {
            Effect = SettingEffect.Refused, Reason = "real-time bandwidth of the parent cgroup is not set by this engine", Neutral = ["0"],
        },
        new("cpu-rt-runtime", null, "cpu-rt-runtime", FlagKind.Number, "Limit the CPU real-time runtime of the parent cgroup in microseconds")
        {
            Effect = SettingEffect.Refused, Reason = "real-time bandwidth of the parent cgroup is not set by this engine", Neutral = ["0"],
        },
        new("cri-containerd", null, "cri-containerd", FlagKind.Bool, "Start containerd with cri")
        {
            Effect = SettingEffect.Refused, Reason = "there is no containerd whose CRI could be turned on", Neutral = ["false"],
        },
        new("host-gateway-ip-old", null, "host-gateway-ip", FlagKind.Text, "Older form of host-gateway-ips") { FileOnly = true },
        new("metrics-addr", null, "metrics-addr", FlagKind.Text, "Address and port on which metrics for Prometheus are served"),
        Absent("network-control-plane-mtu", FlagKind.Number, "Network control plane MTU", "it is about swarm's control traffic"),
        new("network-diagnostic-port", null, "network-diagnostic-port", FlagKind.Number, "TCP port of the network diagnostic server")
        {
            Effect = SettingEffect.Refused, Reason = "swarm's network database, which it shows, does not exist here", Neutral = ["0"], Reloadable = true,
        },
        Absent("node-generic-resource", FlagKind.List, "Advertise user-defined resource", "it is about swarm's scheduler", "node-generic-resources"),
        new("nri-opts", null, "nri-opts", FlagKind.Object, "Node Resource Interface configuration")
        {
            Effect = SettingEffect.Harmless, Reason = "there is no Node Resource Interface: enable=true is an error", Reloadable = true,
        },
        new("restart", 'r', null, FlagKind.Bool, "Obsolete: restart policies are containers' own")
        {
            Effect = SettingEffect.Harmless, Reason = "obsolete in dockerd too: restart policies are containers' own",
        },
        new("rootless", null, "rootless", FlagKind.Bool, "Enable rootless mode")
        {
            Effect = SettingEffect.Refused, Reason = "this engine needs root", Neutral = ["false"],
        },
        new("selinux-enabled", null, "selinux-enabled", FlagKind.Bool, "Enable selinux support")
        {
            Effect = SettingEffect.Refused, Reason = "containers are not labelled for SELinux by this engine", Neutral = ["false"],
        },
        new("storage-opt", null, "storage-opts", FlagKind.List, "Storage driver options")
        {
            Effect = SettingEffect.Refused, Reason = "they are options of graph drivers; overlayfs has none",
        },
        Absent("swarm-default-advertise-addr", FlagKind.Text, "Set default address or interface for swarm advertised address", "there is no swarm"),
        Absent("userland-proxy-path", FlagKind.Text, "Path to the userland proxy binary", "there is no userland proxy"),
        new("userns-remap", null, "userns-remap", FlagKind.Text, "User/Group setting for user namespaces"),
        new("allow-insecure-tcp", null, null, FlagKind.Bool, "Serve tcp:// without TLS: whoever reaches the port is root on this machine"),
        new("userland-proxy", null, "userland-proxy", FlagKind.Bool, "Carry connections from loopback in the daemon; false: carry none that the kernel cannot (default: only those)"),
        new("shim-path", null, null, FlagKind.Text, "Path of the shim program"),
        new("validate", null, null, FlagKind.Bool, "Validate daemon configuration and exit"),
        new("version", 'v', null, FlagKind.Bool, "Print version information and quit"),
        new("help", 'h', null, FlagKind.Bool, "Print usage"),
    ];

    /// <summary>A setting of something that does not exist here.</summary>
    private static DaemonFlag Absent(string name, FlagKind kind, string meaning, string reason, string? key = null) =>
        new(name, null, key ?? name, kind, meaning) { Effect = SettingEffect.Harmless, Reason = reason };
}
