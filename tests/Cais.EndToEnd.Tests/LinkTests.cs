using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Legacy links, as old applications use them.</summary>
[Trait("Tier", "e2e")]
public sealed class LinkTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    [Theory]
    [InlineData("docker")]
    [InlineData("cais")]
    public async Task A_linked_container_is_known_by_name_and_by_variables(string client)
    {
        (await Run(client, "run", "-d", "--name", "db", "--expose", "6379", "-e", "MODE=fast", "busybox", "sleep", "300")).Succeeded();
        (await Run(client, "run", "-d", "--name", "web", "--link", "db:store", "busybox", "sleep", "300")).Succeeded();
        var address = await Text(client, "inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "db");
        Assert.Equal($"tcp://{address}:6379 fast /web/store", await Text(client, "exec", "web", "sh", "-c", "echo $STORE_PORT $STORE_ENV_MODE $STORE_NAME"));
        var hostname = await Text(client, "inspect", "-f", "{{.Config.Hostname}}", "db");
        Assert.Equal($"{address} store {hostname} db", await Text(client, "exec", "web", "sh", "-c", "echo $(grep store /etc/hosts)"));
        (await Run(client, "exec", "web", "ping", "-c", "1", "-W", "2", "store")).Succeeded();
        Assert.Equal("[/db:/web/store]", await Text(client, "inspect", "-f", "{{.HostConfig.Links}}", "web"));
        Assert.Equal("db,web/store", await Text(client, "ps", "--no-trunc", "--format", "{{.Names}}", "--filter", "name=^/db$"));
        Assert.Equal("/db", await Text(client, "inspect", "-f", "{{.Name}}", "web/store"));
        (await Run(client, "rm", "-f", "web", "db")).Succeeded();
    }

    [Fact]
    public async Task A_link_follows_the_other_to_its_next_address_and_survives_the_daemon()
    {
        (await Run("docker", "run", "-d", "--name", "db", "busybox", "sleep", "300")).Succeeded();
        (await Run("docker", "run", "-d", "--name", "web", "--link", "db", "busybox", "sleep", "300")).Succeeded();
        (await Run("docker", "stop", "-t", "0", "db")).Succeeded();
        (await Run("docker", "run", "-d", "--name", "taker", "busybox", "sleep", "300")).Succeeded();
        await _engine.Crash();
        await _engine.StartDaemon();
        (await Run("docker", "start", "db")).Succeeded();
        var address = await Text("docker", "inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "db");
        Assert.Equal(address, await Text("docker", "exec", "web", "sh", "-c", "grep -w db /etc/hosts | cut -f1"));
        (await Run("docker", "rename", "web", "front")).Succeeded();
        Assert.Equal("[/db:/front/db]", await Text("docker", "inspect", "-f", "{{.HostConfig.Links}}", "front"));
        (await Run("docker", "rm", "-f", "front", "db", "taker")).Succeeded();
    }

    [Fact]
    public async Task A_link_can_be_taken_away_and_needs_what_it_names()
    {
        Assert.Contains("could not get container for nobody", (await Run("docker", "create", "--link", "nobody", "busybox")).Error, StringComparison.Ordinal);
        (await Run("docker", "create", "--name", "db", "busybox", "sleep", "300")).Succeeded();
        (await Run("docker", "create", "--name", "web", "--link", "db:store", "busybox", "sleep", "300")).Succeeded();
        Assert.Contains("Cannot link to a non running container: /db AS /web/store", (await Run("docker", "start", "web")).Error, StringComparison.Ordinal);
        (await Run("docker", "rm", "--link", "web/store")).Succeeded();
        Assert.NotEqual(0, (await Run("docker", "rm", "--link", "web/store")).ExitCode);
        Assert.Equal("[]", await Text("docker", "inspect", "-f", "{{.HostConfig.Links}}", "web"));
        (await Run("docker", "start", "web")).Succeeded();
        (await Run("docker", "rm", "-f", "web", "db")).Succeeded();
    }

    [Fact]
    public async Task In_a_users_network_a_link_is_a_name_for_one_container_alone()
    {
        (await Run("docker", "network", "create", "linked")).Succeeded();
        (await Run("docker", "run", "-d", "--name", "db", "--network", "linked", "busybox", "sleep", "300")).Succeeded();
        (await Run("docker", "run", "--rm", "--network", "linked", "--link", "db:only-mine", "busybox", "ping", "-c", "1", "-W", "2", "only-mine")).Succeeded();
        Assert.NotEqual(0, (await Run("docker", "run", "--rm", "--network", "linked", "busybox", "nslookup", "only-mine")).ExitCode);
        (await Run("docker", "rm", "-f", "db")).Succeeded();
        (await Run("docker", "network", "rm", "linked")).Succeeded();
    }

    private Task<ProcessResult> Run(string client, params string[] arguments) => _engine.Client(client, arguments);

    private async Task<string> Text(string client, params string[] arguments) => (await Run(client, arguments)).Succeeded().Text;
}
