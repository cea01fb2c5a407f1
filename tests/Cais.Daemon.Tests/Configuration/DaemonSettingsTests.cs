using Cais.Daemon.Configuration;

namespace Cais.Daemon.Tests.Configuration;

public sealed class DaemonSettingsTests
{
    [Fact]
    public void Flags_have_dockers_forms()
    {
        var settings = Load(["-DH", "unix:///a", "--host=tcp://[::1]:1", "--icc=false", "--mtu", "1400", "--log-opt", "max-size=1m"]);
        Assert.True(settings.Flag("debug"));
        Assert.Equal(["unix:///a", "tcp://[::1]:1"], settings.List("host"));
        Assert.False(settings.Flag("icc", true));
        Assert.Equal(1400, settings.Number("mtu"));
        Assert.Equal("1m", settings.Map("log-opt")["max-size"]);
    }

    [Fact]
    public void The_file_says_the_same_things()
    {
        var settings = Load([], """
            {"debug":true,"hosts":["unix:///a"],"log-opts":{"max-size":"1m","max-file":"3"},"default-address-pools":[{"base":"10.0.0.0/8","size":24}],
             "runtimes":{"other":{"path":"/bin/other","runtimeArgs":["--x"]}},"default-ulimits":{"nofile":{"Name":"nofile","Soft":1,"Hard":2}},"proxies":{"http-proxy":"http://p"}}
            """);
        Assert.True(settings.Flag("debug"));
        Assert.Equal("3", settings.Map("log-opt")["max-file"]);
        Assert.Equal("http://p", settings.Text("http-proxy"));
        var options = DaemonOptions.From(settings);
        Assert.Equal(24, Assert.Single(options.Networks.DefaultAddressPools).Size);
        Assert.Equal("/bin/other", options.Engine.Runtimes["other"].Path);
        Assert.Equal(2, Assert.Single(options.Engine.DefaultUlimits).Hard);
    }

    [Fact]
    public void Options_of_a_runtime_reach_the_engine()
    {
        var runtimes = DaemonOptions.From(Load([], """
            {"runtimes":{"runsc":{"runtimeType":"io.containerd.runsc.v1","options":{"TypeUrl":"io.containerd.runsc.v1.options","ConfigPath":"/etc/runsc.toml","ConfigBody":"YT0x"}},
             "mine":{"runtimeType":"io.containerd.runc.v2","options":{"BinaryName":"/bin/mine","Root":"/run/mine","SystemdCgroup":true,"NoPivotRoot":true,"noNewKeyring":true}}}}
            """)).Engine.Runtimes;
        var runsc = runtimes["runsc"];
        Assert.Equal(("io.containerd.runsc.v1", "io.containerd.runsc.v1.options", "/etc/runsc.toml"), (runsc.Type, runsc.TypeUrl, runsc.ConfigPath));
        Assert.Equal("a=1"u8.ToArray(), runsc.ConfigBody.ToArray());
        var mine = runtimes["mine"];
        Assert.Equal(("/bin/mine", "/run/mine", true, true, true), (mine.BinaryName, mine.Root, mine.SystemdCgroup, mine.NoPivotRoot, mine.NoNewKeyring));
        Assert.Contains("base64", Assert.Throws<ConfigurationException>(() => Load([], """{"runtimes":{"x":{"runtimeType":"a.b.c","options":{"ConfigBody":"?"}}}}""")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--debug", """{"debug":false}""", "the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: false)")]
    [InlineData("-Hunix:///a", """{"hosts":["unix:///b"]}""", "the following directives are specified both as a flag and in the configuration file: host: (from flag: [unix:///a], from file: [unix:///b])")]
    [InlineData("--icc", """{"colour":"red"}""", "the following directives don't match any configuration option: colour")]
    [InlineData("--icc", "{", "invalid JSON in line 1")]
    [InlineData("--icc", "[]", "the file must hold an object")]
    [InlineData("--icc", """{"debug":"yes"}""", "debug: true or false was expected, found string")]
    [InlineData("--icc", """{"hosts":"unix:///b"}""", "hosts: a list was expected, found string")]
    [InlineData("--nosuch", "{}", "unknown flag: --nosuch")]
    [InlineData("-Z", "{}", "unknown shorthand flag: 'Z' in -Z")]
    [InlineData("--mtu=x", "{}", "invalid argument \"x\" for \"--mtu\" flag")]
    [InlineData("--icc=perhaps", "{}", "invalid argument \"perhaps\" for \"--icc\" flag")]
    [InlineData("--host", "{}", "flag needs an argument: --host")]
    [InlineData("--log-level=loud", "{}", "invalid logging level: loud")]
    [InlineData("--storage-driver=btrfs", "{}", "unknown storage driver: btrfs")]
    [InlineData("--label=x", "{}", "bad attribute format: x")]
    [InlineData("words", "{}", "accepts no arguments")]
    public void What_cannot_be_is_said_in_dockerds_words(string argument, string file, string message) =>
        Assert.Contains(message, Assert.Throws<ConfigurationException>(() => Load([argument], file)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("--bip6=x", null)]
    [InlineData("--log-driver=splunk", "failed to set log opts: logger: no log driver named 'splunk' is registered")]
    [InlineData("--dns=x", "dns: x is not an ip address")]
    [InlineData("--fixed-cidr=x", "fixed-cidr: invalid CIDR address: x")]
    [InlineData("--default-runtime=nosuch", "specified default runtime 'nosuch' does not exist")]
    [InlineData("--min-api-version=1.10", "minimum API version \"1.10\" is invalid: must be between 1.24 and 1.55")]
    [InlineData("--default-address-pool=base=10.0.0.0/8", "invalid default address pool")]
    public void Values_are_checked_before_anything_is_done(string argument, string? message)
    {
        var settings = Load([argument]);
        if (message is null)
        {
            DaemonOptions.From(settings);
        }
        else
        {
            Assert.Contains(message, Assert.Throws<ConfigurationException>(() => DaemonOptions.From(settings)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_that_was_asked_for_must_be_there() =>
        Assert.Contains("no such file or directory", Assert.Throws<ConfigurationException>(() => DaemonSettings.Load(["--config-file", "/no/such"], _ => null)).Message, StringComparison.Ordinal);

    private static DaemonSettings Load(string[] arguments, string? file = null) => DaemonSettings.Load(arguments, _ => file);
}
