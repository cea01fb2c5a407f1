using System.Globalization;
using System.Text.Json;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>How the daemon is reached, told and watched: TLS, socket activation, SIGHUP, metrics.</summary>
[Trait("Tier", "e2e")]
public sealed class DoorsTests
{
    [Fact]
    public async Task Docker_speaks_tls_to_it_with_a_client_certificate_and_not_without()
    {
        using var keys = new Scratch("tls");
        (await Command.Run("sh", ["-ec", """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=ca -days 2
            for name in server client; do
              openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name-key.pem -out $name.csr -subj /CN=$name
              printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $name >$name.cnf
              openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out $name.pem -days 2 -extfile $name.cnf
            done
            """], directory: keys.Folder)).Succeeded();
        var port = Registry.FreePort();
        await using var engine = await Engine.Start(
            "-H", $"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", keys["ca.pem"], "--tlscert", keys["server.pem"], "--tlskey", keys["server-key.pem"]);
        string[] host = ["-H", $"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", keys["ca.pem"]];
        string[] client = ["--tlscert", keys["client.pem"], "--tlskey", keys["client-key.pem"]];
        Assert.Equal("linux", (await Command.Run("docker", [.. host, .. client, "version", "-f", "{{.Server.Os}}"])).Succeeded().Text);
        Assert.NotEqual(0, (await Command.Run("docker", [.. host, "--tlscert", keys["server.pem"], "--tlskey", keys["server-key.pem"], "version"])).ExitCode);
        Assert.NotEqual(0, (await Command.Run("docker", ["-H", $"tcp://127.0.0.1:{port}", "version"])).ExitCode);
    }

    [Fact]
    public async Task Tcp_without_tls_is_refused_by_name_and_warned_of_when_it_is_forced()
    {
        var port = Registry.FreePort();
        var refused = await Command.Run(Programs.Daemon, ["-H", $"tcp://127.0.0.1:{port}", "--pidfile", "/tmp/cais-refused.pid"]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("whoever reaches it is root on this machine", refused.Error, StringComparison.Ordinal);
        await using var engine = await Engine.Start("-H", $"tcp://127.0.0.1:{port}", "--allow-insecure-tcp");
        Assert.Contains("without encryption", (await Command.Run("docker", ["-H", $"tcp://127.0.0.1:{port}", "info"])).Succeeded().Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sockets_of_the_service_manager_are_served()
    {
        using var scratch = new Scratch("activated");
        var run = Directory.CreateTempSubdirectory("cais-activated-").FullName;
        var socket = Path.Combine(run, "docker.sock");
        var daemon = Command.Start(
            "systemd-socket-activate",
            ["-l", socket, Programs.Daemon, "-H", "fd://", "--data-root", scratch["data"], "--exec-root", Path.Combine(run, "exec"), "--pidfile", Path.Combine(run, "pid"), "--bridge", "none"]);
        try
        {
            await Eventually.Holds(() => File.Exists(socket), "the socket is there");
            Assert.Equal("linux", (await Command.Run("docker", ["-H", $"unix://{socket}", "version", "-f", "{{.Server.Os}}"])).Succeeded().Text);
        }
        finally
        {
            await daemon.Terminate();
            await daemon.DisposeAsync();
            Directory.Delete(run, recursive: true);
        }
    }

    [Fact]
    public async Task A_hangup_takes_over_what_changed_in_the_file_and_nothing_of_a_bad_one()
    {
        using var scratch = new Scratch("reload");
        var file = scratch["daemon.json"];
        await File.WriteAllTextAsync(file, """{"labels":["stage=one"]}""", TestContext.Current.CancellationToken);
        await using var engine = await Engine.Start("--config-file", file);
        Assert.Equal("[stage=one] false 1", await Facts(engine));
        await using var events = engine.ClientInBackground("docker", "events", "--filter", "type=daemon", "--format", "{{.Action}} {{.Actor.Attributes.labels}}");
        await Eventually.Holds(async () => (await engine.Docker("info", "-f", "{{.NEventsListener}}")).Text == "1", "somebody listens");

        await File.WriteAllTextAsync(file, """{"labels":["stage=two"],"debug":true,"insecure-registries":["here:5000"],"default-runtime":"cais"}""", TestContext.Current.CancellationToken);
        await Hangup(engine);
        await Eventually.Holds(async () => await Facts(engine) == "[stage=two] true 2", "the new file holds");
        await Eventually.Holds(() => events.Said.Contains("reload [\"stage=two\"]", StringComparison.Ordinal), "the reload is told");

        await File.WriteAllTextAsync(file, """{"labels":["stage=three"],"colour":"red"}""", TestContext.Current.CancellationToken);
        await Hangup(engine);
        await Eventually.Holds(() => engine.Log.Contains("Error reloading the configuration", StringComparison.Ordinal), "the bad file is complained of");
        Assert.Equal("[stage=two] true 2", await Facts(engine));
        await events.Kill();

        static async Task<string> Facts(Engine engine) =>
            (await engine.Docker("info", "-f", "{{.Labels}} {{.Debug}} {{len .RegistryConfig.IndexConfigs}}")).Succeeded().Text;

        static Task Hangup(Engine engine) => Command.Run("kill", ["-HUP", engine.DaemonId.ToString(CultureInfo.InvariantCulture)]);
    }

    [Fact]
    public async Task A_hangup_is_heard_by_a_daemon_that_nohup_started()
    {
        using var scratch = new Scratch("nohup");
        var run = Directory.CreateTempSubdirectory("cais-nohup-").FullName;
        var daemon = Command.Start(
            "nohup",
            [Programs.Daemon, "-H", $"unix://{run}/docker.sock", "--data-root", scratch["data"], "--exec-root", Path.Combine(run, "exec"), "--pidfile", Path.Combine(run, "pid"), "--bridge", "none"]);
        try
        {
            await daemon.Says("API listen on");
            daemon.Signal("HUP");
            await daemon.Says("reload configuration");
        }
        finally
        {
            await daemon.Terminate();
            await daemon.DisposeAsync();
            Directory.Delete(run, recursive: true);
        }
    }

    [Fact]
    public async Task A_configuration_can_be_checked_without_starting()
    {
        using var scratch = new Scratch("validate");
        await File.WriteAllTextAsync(scratch["good.json"], """{"debug":true}""", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(scratch["bad.json"], """{"hosts":["unix:///x"]}""", TestContext.Current.CancellationToken);
        Assert.Equal("configuration OK", (await Command.Run(Programs.Daemon, ["--validate", "--config-file", scratch["good.json"]])).Succeeded().Error.Trim());
        var bad = await Command.Run(Programs.Daemon, ["--validate", "--config-file", scratch["bad.json"], "-H", "unix:///y"]);
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains(
            "the following directives are specified both as a flag and in the configuration file: host: (from flag: [unix:///y], from file: [unix:///x])", bad.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Prometheus_scrapes_the_daemon()
    {
        using var scratch = new Scratch("prometheus");
        var (metrics, port) = (Registry.FreePort(), Registry.FreePort());
        await using var engine = await Engine.Start("--metrics-addr", $"127.0.0.1:{metrics}");
        await Busybox.Import(engine);
        (await engine.Docker("run", "--rm", "busybox", "true")).Succeeded();
        await File.WriteAllTextAsync(scratch["prometheus.yml"], $$"""
            scrape_configs:
              - job_name: cais
                scrape_interval: 1s
                scrape_timeout: 1s
                static_configs: [ { targets: [ "127.0.0.1:{{metrics}}" ] } ]
            """, TestContext.Current.CancellationToken);
        await using var prometheus = Command.Start(
            "prometheus",
            [$"--config.file={scratch["prometheus.yml"]}", $"--storage.tsdb.path={scratch["data"]}", $"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]);
        using var client = new HttpClient();
        async Task<string?> Query(string expression)
        {
            if (prometheus.HasExited)
            {
                throw new InvalidOperationException($"prometheus ended: {prometheus.Said}");
            }

            try
            {
                using var answer = JsonDocument.Parse(await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/api/v1/query?query={Uri.EscapeDataString(expression)}")));
                var result = answer.RootElement.GetProperty("data").GetProperty("result");
                return result.GetArrayLength() > 0 ? result[0].GetProperty("value")[1].GetString() : null;
            }
            catch (HttpRequestException)
            {
                return null;
            }
        }

        await Eventually.Holds(async () => await Query("up") == "1", "prometheus reads the metrics");
        Assert.Equal("1", await Query("engine_daemon_container_actions_seconds_count{action=\"start\"}"));
        Assert.Equal("0", await Query("engine_daemon_container_states_containers{state=\"running\"}"));
        Assert.Equal("1", await Query("count(engine_daemon_engine_info{os_type=\"linux\"})"));
        Assert.NotNull(await Query("process_resident_memory_bytes > 1e6"));
        Assert.NotNull(await Query("engine_daemon_events_total > 0"));
    }
}
