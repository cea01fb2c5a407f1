using System.Collections;
using System.Net;
using System.Reflection;
using System.Text;
using Cais.Daemon.Configuration;
using Cais.Engine;

namespace Cais.Daemon.Tests.Configuration;

/// <summary>Every setting of dockerd's is tried: what applies must change what the daemon's parts are told, what is harmless must not, what is refused must be.</summary>
public sealed class SettingsTests
{
    /// <summary>Act at once, or on what cannot be seen in the options.</summary>
    private static readonly string[] Immediate = ["config-file", "help", "validate", "version"];

    private static readonly Dictionary<string, string> Samples = new()
    {
        ["add-runtime"] = "other=/bin/other",
        ["authorization-plugin"] = "gate",
        ["bip"] = "10.9.0.1/24",
        ["bip6"] = "fd00::1/64",
        ["bridge"] = "br9",
        ["bridge-accept-fwmark"] = "1",
        ["cdi-spec-dir"] = "/etc/other",
        ["default-address-pool"] = "base=10.9.0.0/16,size=24",
        ["default-cgroupns-mode"] = "host",
        ["default-gateway"] = "10.9.0.1",
        ["default-gateway-v6"] = "fd00::1",
        ["default-ipc-mode"] = "shareable",
        ["default-network-opt"] = "bridge=com.docker.network.driver.mtu=1400",
        ["default-runtime"] = "runc",
        ["default-shm-size"] = "1m",
        ["default-ulimit"] = "nofile=5:6",
        ["dns"] = "10.9.0.2",
        ["exec-opt"] = "native.cgroupdriver=cgroupfs",
        ["feature"] = "some=true",
        ["firewall-backend"] = "nftables",
        ["fixed-cidr"] = "10.9.0.0/25",
        ["fixed-cidr-v6"] = "fd00::/80",
        ["host"] = "unix:///x",
        ["host-gateway-ip"] = "10.9.0.3",
        ["insecure-registry"] = "here:5000",
        ["ip"] = "10.9.0.4",
        ["label"] = "a=b",
        ["log-driver"] = "local",
        ["log-format"] = "json",
        ["log-level"] = "warn",
        ["log-opt"] = "max-size=5m",
        ["metrics-addr"] = "127.0.0.1:9323",
        ["nri-opts"] = "enable=false",
        ["storage-driver"] = "overlay2",
        ["tlsverify"] = "true",
    };

    public static TheoryData<string> Flags() => [.. SettingsPage.Settings.Where(s => s.Kind == "flag" && s.Platform != "windows").Select(s => s.Name[2..])];

    public static TheoryData<int> LogOptions() => [.. SettingsPage.Settings.Index().Where(s => s.Item.Kind == "log-opt" && s.Item.Key.Length > 0).Select(s => s.Index)];

    [Theory]
    [MemberData(nameof(Flags))]
    public void A_flag_does_what_the_page_says(string name)
    {
        var setting = SettingsPage.Settings.Single(s => s.Name == "--" + name);
        var flag = DaemonFlag.All.Single(f => f.Name == name);
        Assert.Equal(setting.Key.Replace("proxies.", "", StringComparison.Ordinal), flag.Key ?? "");
        Assert.Equal(setting.Reloadable, flag.Reloadable);
        if (Immediate.Contains(name) || (name == "cdi-spec-dir" && typeof(EngineOptions).GetProperty("CdiDirectories") is null))
        {
            return;
        }

        var sample = Samples.GetValueOrDefault(name) ?? flag.Kind switch
        {
            FlagKind.Bool => setting.Default.StartsWith("true", StringComparison.Ordinal) ? "false" : "true",
            FlagKind.Number => "7",
            _ => "something",
        };
        string[] arguments = [$"--{name}={sample}"];
        if (flag.Effect == SettingEffect.Refused)
        {
            Assert.Contains(flag.Reason, Assert.Throws<ConfigurationException>(() => Options(arguments)).Message, StringComparison.Ordinal);
            Assert.All(flag.Neutral, v => Assert.Equal(Dump(Options()), Dump(Options($"--{name}={v}"))));
            return;
        }

        Assert.True((flag.Effect == SettingEffect.Applies) == (Dump(Options(arguments)) != Dump(Options())), $"--{name}={sample}: {flag.Effect}");
    }

    [Theory]
    [MemberData(nameof(Flags))]
    public void The_file_says_the_same_as_the_flag(string name)
    {
        var flag = DaemonFlag.All.Single(f => f.Name == name);
        if (flag.Key is null || flag.Effect == SettingEffect.Refused)
        {
            return;
        }

        var sample = Samples.GetValueOrDefault(name) ?? (flag.Kind == FlagKind.Number ? "7" : flag.Kind == FlagKind.Bool ? "true" : "something");
        var json = name switch
        {
            "add-runtime" => """{"other":{"path":"/bin/other"}}""",
            "default-address-pool" => """[{"base":"10.9.0.0/16","size":24}]""",
            "default-network-opt" => """{"bridge":{"com.docker.network.driver.mtu":"1400"}}""",
            "default-ulimit" => """{"nofile":{"Name":"nofile","Soft":5,"Hard":6}}""",
            "feature" => """{"some":true}""",
            "log-opt" => """{"max-size":"5m"}""",
            "nri-opts" => """{"enable":false}""",
            _ => flag.Kind switch
            {
                FlagKind.Bool or FlagKind.Number => sample,
                FlagKind.List => $"[\"{sample}\"]",
                _ => $"\"{sample}\"",
            },
        };
        Assert.Equal(Dump(Options($"--{name}={sample}")), Dump(From($$"""{"{{flag.Key}}":{{json}}}""")));
    }

    [Theory]
    [MemberData(nameof(LogOptions))]
    public void A_log_option_is_known_to_its_driver_or_the_driver_is_refused(int row)
    {
        var setting = SettingsPage.Settings[row];
        var (driver, option) = SettingsPage.LogOptionOf(setting);
        var options = new Dictionary<string, string> { [option] = LogSample(option) };
        if (driver == "gelf")
        {
            options.TryAdd("gelf-address", option.StartsWith("gelf-tcp", StringComparison.Ordinal) ? "tcp://h:1" : "udp://h:1");
        }

        if (option == "max-buffer-size")
        {
            options["mode"] = "non-blocking";
        }

        if (SettingsPage.Verdict(setting).Effect == SettingEffect.Refused)
        {
            Assert.Contains($"no log driver named '{driver}' is registered", Assert.Throws<EngineException>(() => CaisEngine.ValidateLogging(driver, options)).Message, StringComparison.Ordinal);
            return;
        }

        CaisEngine.ValidateLogging(driver, options);
        Assert.Throws<EngineException>(() => CaisEngine.ValidateLogging(driver, new Dictionary<string, string>(options) { [option + "-nosuch"] = "x" }));
    }

    [Theory]
    [InlineData("DOCKER_MIN_API_VERSION", "1.44")]
    [InlineData("DOCKER_TLS_VERIFY", "1")]
    [InlineData("DOCKER_CERT_PATH", "/certificates")]
    [InlineData("DOCKER_CONFIG", "/config")]
    [InlineData("DEBUG", "1")]
    [InlineData("HTTP_PROXY", "http://p")]
    [InlineData("HTTPS_PROXY", "http://p")]
    [InlineData("NO_PROXY", "here")]
    public void The_environment_fills_in_what_is_not_said(string name, string value) =>
        Assert.NotEqual(Dump(Options()), Dump(DaemonOptions.From(DaemonSettings.Load([], _ => null), n => n == name ? value : null)));

    [Theory]
    [InlineData("DOCKER_DRIVER", "btrfs")]
    [InlineData("DOCKER_RAMDISK", "1")]
    [InlineData("ROOTLESSKIT_STATE_DIR", "/x")]
    [InlineData("ROOTLESSKIT_PARENT_EUID", "1000")]
    public void What_the_environment_cannot_have_is_refused(string name, string value) =>
        Assert.Contains(name, Assert.Throws<ConfigurationException>(() => DaemonOptions.From(DaemonSettings.Load([], _ => null), n => n == name ? value : null)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"builder":{"gc":{"enabled":true,"defaultReservedSpace":"10%","defaultMaxUsedSpace":"80%","policy":[{"all":true,"filter":["type=source.local"],"maxUsedSpace":"5GB"}]},"history":{"maxAge":3600,"maxEntries":10},"entitlements":{"network-host":true}}}""", null)]
    [InlineData("""{"builder":{"GC":{"ENABLED":false,"defaultKeepStorage":"1GB"},"history":{"maxAge":"48h"},"later":1}}""", null)]
    [InlineData("""{"builder":{"gc":{"enabled":"yes"}}}""", "builder: enabled: true or false was expected")]
    [InlineData("""{"builder":{"gc":{"policy":[{"maxUsedSpace":"much"}]}}}""", "builder: maxUsedSpace: a size or a share of the disk was expected")]
    [InlineData("""{"builder":{"entitlements":{"network-host":false}}}""", "builder.entitlements.network-host=false is not supported")]
    [InlineData("""{"builder":{"entitlements":{"security-insecure":true}}}""", "builder.entitlements.security-insecure=true is not supported")]
    [InlineData("""{"builder":[]}""", "builder: an object was expected")]
    [InlineData("""{"nri-opts":{"enable":true}}""", "nri-opts is not supported (enable=true)")]
    [InlineData("""{"nri-opts":{"enable":false,"plugin-path":"/p","plugin-config-path":"/c","socket-path":"/s"}}""", null)]
    [InlineData("""{"features":{"containerd-snapshotter":false}}""", "feature containerd-snapshotter=false is not supported")]
    [InlineData("""{"features":{"containerd-snapshotter":true,"time-namespaces":false,"unknown":true}}""", null)]
    [InlineData("""{"host-gateway-ip":"10.0.0.1"}""", null)]
    [InlineData("""{"host-gateway-ip":"10.0.0.1","host-gateway-ips":["10.0.0.2"]}""", "host-gateway-ip is the older form of host-gateway-ips")]
    [InlineData("""{"exec-opts":["native.cgroupdriver=systemd"]}""", "exec-opt native.cgroupdriver=systemd is not supported")]
    [InlineData("""{"storage-opts":["overlay2.size=1G"]}""", "storage-opts is not supported (overlay2.size=1G)")]
    [InlineData("""{"deprecated-key-path":1,"allow-nondistributable-artifacts":[]}""", null)]
    [InlineData("""{"resolv-conf":"/x"}""", "the following directives don't match any configuration option: resolv-conf")]
    [InlineData("""{"containerd-plugin-namespace":"x","default-init":"x","swarm-raft-election-tick":1,"swarm-raft-heartbeat-tick":1}""", "the following directives don't match any configuration option: containerd-plugin-namespace, default-init, swarm-raft-election-tick, swarm-raft-heartbeat-tick")]
    [InlineData("""{"log-driver":"syslog","log-opts":{"max-size":"1m"}}""", "failed to set log opts: unknown log opt 'max-size' for syslog log driver")]
    [InlineData("""{"metrics-addr":"9323"}""", "invalid metrics-addr 9323: write address:port")]
    public void Keys_of_the_file_are_checked(string json, string? message)
    {
        if (message is null)
        {
            From(json);
        }
        else
        {
            Assert.Contains(message, Assert.Throws<ConfigurationException>(() => From(json)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("--service-name=x")]
    [InlineData("--register-service")]
    [InlineData("--unregister-service")]
    [InlineData("--run-service")]
    [InlineData("--builder={}")]
    public void Flags_of_windows_and_keys_without_a_flag_are_unknown(string flag) =>
        Assert.StartsWith("unknown flag: --", Assert.Throws<ConfigurationException>(() => Options(flag)).Message, StringComparison.Ordinal);

    [Fact]
    public void The_page_about_the_configuration_is_true()
    {
        var path = Path.Combine(Repository.Root, "docs", "daemon-configuration.md");
        var page = SettingsPage.Page();
        if (Environment.GetEnvironmentVariable("CAIS_WRITE_DOCS") is { Length: > 0 })
        {
            File.WriteAllText(path, page);
        }

        Assert.Equal(page, File.Exists(path) ? File.ReadAllText(path) : "");
        Assert.Equal(281, SettingsPage.Settings.Count);
    }

    private static string LogSample(string option) => option switch
    {
        "mode" => "blocking",
        "max-buffer-size" or "max-size" or "cache-max-size" or "fluentd-buffer-limit" => "4m",
        "max-file" or "cache-max-file" or "fluentd-max-retries" => "3",
        "cache-disabled" or "cache-compress" or "compress" or "fluentd-async" or "fluentd-request-ack" or "fluentd-sub-second-precision" or "syslog-tls-skip-verify" => "true",
        "syslog-address" => "tcp://h:1",
        "syslog-facility" => "local0",
        "syslog-format" => "rfc5424",
        "gelf-address" => "udp://h:1",
        "gelf-compression-type" => "zlib",
        "gelf-compression-level" or "gelf-tcp-max-reconnect" or "gelf-tcp-reconnect-delay" => "2",
        "fluentd-address" => "h:1",
        "fluentd-retry-wait" or "fluentd-write-timeout" or "fluentd-read-timeout" or "fluentd-async-reconnect-interval" => "1s",
        _ => "x",
    };

    private static DaemonOptions Options(params string[] arguments) => DaemonOptions.From(DaemonSettings.Load(arguments, _ => null), _ => null);

    private static DaemonOptions From(string json) => DaemonOptions.From(DaemonSettings.Load([], _ => json), _ => null);

    /// <summary>All values of all options, as text.</summary>
    private static string Dump(object? value)
    {
        switch (value)
        {
            case null:
                return "null";
            case string text:
                return text;
            case IEnumerable list:
                return "[" + string.Join(", ", list.Cast<object?>().Select(Dump)) + "]";
            case IPAddress or IPNetwork or IPEndPoint or Delegate or TimeProvider:
            case { } simple when simple.GetType() is { IsPrimitive: true } or { IsEnum: true } or { Namespace: "System" }:
                return value.GetType().Name + ":" + value;
            default:
                var members = new StringBuilder(value.GetType().Name).Append('{');
                foreach (var property in value.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.GetIndexParameters().Length == 0 && p.Name != "ConfigFile"))
                {
                    members.Append(property.Name).Append('=').Append(Dump(property.GetValue(value))).Append(' ');
                }

                return members.Append('}').ToString();
        }
    }
}
