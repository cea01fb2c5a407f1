using System.Globalization;
using System.Text;
using Cais.Daemon.Configuration;
using Cais.Engine;

namespace Cais.Daemon.Tests.Configuration;

/// <summary>One row of Data/daemon-config.tsv.</summary>
internal sealed record Setting(string Kind, string Name, string Key, string Default, string Platform, bool Reloadable, string Meaning, string Notes);

/// <summary>All that dockerd can be told (Data/daemon-config.tsv), and the page that says what comes of it here.</summary>
internal static class SettingsPage
{
    public static readonly IReadOnlyList<Setting> Settings =
    [
        .. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "daemon-config.tsv"))
            .Skip(1)
            .Select(l => l.Split('\t'))
            .Select(f => new Setting(f[0], f[1], f[3], f[6], f[7], f[8] == "yes", f[11], f.Length > 12 ? f[12] : "")),
    ];

    private static readonly Dictionary<string, (SettingEffect Effect, string Reason)> Subkeys = new()
    {
        ["builder.gc"] = (SettingEffect.Applies, ""),
        ["builder.gc.policy"] = (SettingEffect.Harmless, "checked; the limits are for all of the cache"),
        ["builder.history"] = (SettingEffect.Applies, ""),
        ["builder.entitlements.network-host"] = (SettingEffect.Refused, "false; true is how it is"),
        ["builder.entitlements.security-insecure"] = (SettingEffect.Refused, "true: who starts a build decides, by `--allow security.insecure`"),
        ["builder.entitlements.device"] = (SettingEffect.Refused, "false; true is how it is"),
        ["runtimes"] = (SettingEffect.Applies, ""),
        ["default-ulimits"] = (SettingEffect.Applies, ""),
        ["default-address-pools"] = (SettingEffect.Applies, ""),
        ["default-network-opts"] = (SettingEffect.Applies, ""),
        ["nri-opts.enable"] = (SettingEffect.Refused, "true; there is no Node Resource Interface"),
        ["nri-opts"] = (SettingEffect.Harmless, "there is no Node Resource Interface"),
        ["exec-opts native.cgroupdriver"] = (SettingEffect.Harmless, "cgroupfs is how it is; systemd is refused"),
        ["exec-opts isolation"] = (SettingEffect.Refused, "for Windows"),
        ["storage-opts"] = (SettingEffect.Refused, "options of graph drivers; overlayfs has none"),
    };

    private static readonly Dictionary<string, (SettingEffect Effect, string Reason)> Features = new()
    {
        ["containerd-snapshotter"] = (SettingEffect.Harmless, "true is how it is; false is refused, as there are no graph drivers"),
        ["containerd-migration"] = (SettingEffect.Harmless, "there is no graph driver's data to migrate"),
        ["embedded-containerd"] = (SettingEffect.Harmless, "there is no containerd"),
        ["buildkit"] = (SettingEffect.Harmless, "clients are told the builder that is there"),
        ["cdi"] = (SettingEffect.Harmless, "devices are found in any case"),
        ["time-namespaces"] = (SettingEffect.Harmless, "containers share the machine's clock offsets"),
        ["swarm-nftables"] = (SettingEffect.Harmless, "there is no swarm"),
        ["windows-dns-proxy"] = (SettingEffect.Harmless, "for Windows"),
    };

    private static readonly Dictionary<string, (SettingEffect Effect, string Reason)> Variables = new()
    {
        ["DOCKER_MIN_API_VERSION"] = (SettingEffect.Applies, ""),
        ["DOCKER_TLS_VERIFY"] = (SettingEffect.Applies, ""),
        ["DOCKER_CERT_PATH"] = (SettingEffect.Applies, ""),
        ["DOCKER_CONFIG"] = (SettingEffect.Applies, ""),
        ["DEBUG"] = (SettingEffect.Applies, ""),
        ["HTTP_PROXY HTTPS_PROXY NO_PROXY"] = (SettingEffect.Applies, ""),
        ["LISTEN_FDS LISTEN_PID"] = (SettingEffect.Applies, ""),
        ["NOTIFY_SOCKET"] = (SettingEffect.Applies, ""),
        ["DOCKER_DRIVER"] = (SettingEffect.Refused, "any but overlayfs and overlay2"),
        ["DOCKER_RAMDISK"] = (SettingEffect.Refused, "containers are never run without pivot_root"),
        ["ROOTLESSKIT_STATE_DIR"] = (SettingEffect.Refused, "this engine needs root"),
        ["ROOTLESSKIT_PARENT_EUID"] = (SettingEffect.Refused, "this engine needs root"),
        ["DOCKER_TMPDIR"] = (SettingEffect.Harmless, "temporary files are below data-root, where what becomes of them must be"),
        ["DOCKER_BUILDKIT_RUNC_COMMAND"] = (SettingEffect.Harmless, "builds run in the engine's own runtime"),
        ["DOCKER_CONTAINER_LABELS_FILTER"] = (SettingEffect.Harmless, "there are no trace spans"),
        ["DOCKER_CONTAINERD_ROOT"] = (SettingEffect.Harmless, "there is no containerd"),
        ["DOCKER_MIGRATE_SNAPSHOTTER_THRESHOLD"] = (SettingEffect.Harmless, "there is no graph driver's data to migrate"),
        ["DOCKER_SERVICE_PREFER_OFFLINE_IMAGE"] = (SettingEffect.Harmless, "there is no swarm"),
        ["DOCKER_KEEP_DEPRECATED_LEGACY_LINKS_ENV_VARS"] = (SettingEffect.Harmless, "links set variables in any case"),
        ["DOCKER_IGNORE_BR_NETFILTER_ERROR"] = (SettingEffect.Harmless, "br_netfilter is not needed"),
        ["DOCKER_INSECURE_NO_IPTABLES_RAW"] = (SettingEffect.Harmless, "there are no iptables rules"),
        ["XDG_RUNTIME_DIR XDG_DATA_HOME XDG_CONFIG_HOME"] = (SettingEffect.Harmless, "they are for rootless mode"),
        ["OTEL_SERVICE_NAME OTEL_EXPORTER_OTLP_* TRACEPARENT TRACESTATE"] = (SettingEffect.Harmless, "nothing is traced; see metrics-addr"),
    };

    /// <summary>What comes of a setting, and why where it is not what it says.</summary>
    public static (SettingEffect Effect, string Reason) Verdict(Setting setting) => setting.Kind switch
    {
        _ when setting.Platform == "windows" => (SettingEffect.Refused, "for Windows"),
        "flag" => Of(DaemonFlag.All.Single(f => !f.FileOnly && "--" + f.Name == setting.Name)),
        "key" when setting.Key is "deprecated-key-path" or "allow-nondistributable-artifacts" => (SettingEffect.Harmless, "obsolete, as in dockerd"),
        "key" when setting.Key == "proxies" => (SettingEffect.Applies, ""),
        "key" => DaemonFlag.All.SingleOrDefault(f => f.Key == setting.Key) is { } flag ? Of(flag) : (SettingEffect.Refused, "unknown, as to dockerd's parser"),
        "subkey" => Subkeys.OrderByDescending(s => s.Key.Length).First(s => setting.Key.StartsWith(s.Key, StringComparison.Ordinal)).Value,
        "feature" => Features[setting.Key["features.".Length..]],
        "log-opt" => LogOption(setting),
        "env" => Variables[setting.Name],
        _ => throw new InvalidOperationException($"{setting} is of no kind"),
    };

    /// <summary>The driver of a log-opt row, and the option.</summary>
    public static (string Driver, string Option) LogOptionOf(Setting setting)
    {
        var driver = setting.Meaning.Split("log driver ")[^1];
        return (driver.StartsWith("(any", StringComparison.Ordinal) ? "json-file" : driver, setting.Key["log-opts.".Length..]);
    }

    public static string Page()
    {
        var page = new StringBuilder("""
            # The daemon's configuration

            Everything that dockerd can be told by flag, daemon.json, environment or log option, and what comes of it here. *applies*: it does what it says. *harmless*: it is
            taken and changes nothing, for the reason that is given. *refused*: the daemon (or, for log options, the container) does not start with it, and says so.

            What is reloadable takes effect on SIGHUP, when the file has changed; a file that is wrong changes nothing and is complained of in the log.

            This page is written by the test suite, which also tries every row: `CAIS_WRITE_DOCS=1 ./test.sh Daemon`.

            | setting | in daemon.json | effect | why | reloadable |
            |---|---|---|---|---|

            """.Replace("\r", "", StringComparison.Ordinal));
        foreach (var setting in Settings)
        {
            var (effect, reason) = Verdict(setting);
            var name = setting.Kind switch
            {
                "log-opt" when setting.Key.Length > 0 => $"`--log-opt {setting.Key["log-opts.".Length..]}` ({setting.Meaning.Split("log driver ")[^1].Trim('(', ')')})",
                "log-opt" => setting.Name.Trim('(', ')'),
                "env" => string.Join(' ', setting.Name.Split(' ').Select(n => $"`${n}`")),
                "subkey" => setting.Name.Length > 0 ? $"`{setting.Name}`" : "",
                "key" => "",
                _ => $"`{setting.Name}`",
            };
            page.Append(CultureInfo.InvariantCulture, $"| {name} | {(setting.Key.Length > 0 ? $"`{setting.Key}`" : "")} | {effect.ToString().ToLowerInvariant()} | {reason} | {(setting.Reloadable ? "yes" : "")} |\n");
        }

        return page.ToString();
    }

    private static (SettingEffect Effect, string Reason) Of(DaemonFlag flag) => (flag.Effect, flag.Reason);

    private static (SettingEffect Effect, string Reason) LogOption(Setting setting)
    {
        if (setting.Key.Length == 0)
        {
            return setting.Name.Contains("etwlogs", StringComparison.Ordinal) ? (SettingEffect.Refused, "for Windows") : (SettingEffect.Applies, "");
        }

        return CaisEngine.LogDriverNames.Contains(LogOptionOf(setting).Driver)
            ? (SettingEffect.Applies, "")
            : (SettingEffect.Refused, "the driver does not exist here: send to fluentd or syslog, which its service's agent receives");
    }
}
