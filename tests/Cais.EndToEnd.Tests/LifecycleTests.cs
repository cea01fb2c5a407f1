using System.Text.Json;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

[Trait("Tier", "e2e")]
public sealed class LifecycleTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_container_goes_through_its_life(string client)
    {
        var id = (await Do(client, "create", "--name", "life", "busybox", "sh", "-c", "echo hello; exec sleep 300")).Text;
        Assert.Equal("created", await Status(client, id));
        Assert.Equal("life", (await Do(client, "start", "life")).Text);
        Assert.Equal("running", await Status(client, id));
        Assert.Matches(@"life\s*$", (await Do(client, "ps")).Lines[1]);
        (await _engine.Client(client, ["exec", "life", "true"])).Succeeded();
        Assert.Equal(5, (await _engine.Client(client, ["exec", "life", "sh", "-c", "exit 5"])).ExitCode);
        Assert.Equal("life", (await Do(client, "stop", "-t", "1", "life")).Text);
        Assert.Equal("exited", await Status(client, id));
        Assert.Equal("137", (await Do(client, "wait", "life")).Text);
        Assert.Equal("hello", (await Do(client, "logs", "life")).Text);
        Assert.Equal("life", (await Do(client, "start", "life")).Text);
        Assert.Equal("life", (await Do(client, "kill", "-s", "KILL", "life")).Text);
        Assert.Equal("137", (await Do(client, "wait", "life")).Text);
        Assert.Equal("life", (await Do(client, "rm", "life")).Text);
        var gone = await _engine.Client(client, ["inspect", "life"]);
        Assert.Equal(1, gone.ExitCode);
        Assert.Contains("no such object: life", gone.Error, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Stop_lets_the_program_end_by_itself(string client)
    {
        var id = (await Do(client, "run", "-d", "busybox", "sh", "-c", "trap 'echo bye; exit 4' TERM; echo ready; while true; do sleep 0.05; done")).Text;
        await Eventually.Holds(async () => (await Do(client, "logs", id)).Text == "ready", "the trap is set");
        await Do(client, "stop", id);
        Assert.Equal("4", (await Do(client, "wait", id)).Text);
        Assert.Equal("ready\nbye", (await Do(client, "logs", id)).Text);
        await Do(client, "rm", id);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Logs_follow_until_the_end(string client)
    {
        var id = (await Do(client, "run", "-d", "busybox", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done")).Text;
        var followed = await Do(client, "logs", "-f", id);
        Assert.Equal("line 1\nline 2\nline 3\nline 4\nline 5", followed.Text);
        Assert.Equal("line 4\nline 5", (await Do(client, "logs", "--tail", "2", id)).Text);
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 5$", (await Do(client, "logs", "-t", "-n", "1", id)).Text);
        await Do(client, "rm", id);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Attach_sees_what_comes_and_the_exit_code(string client)
    {
        var id = (await Do(client, "run", "-d", "-i", "busybox", "sh", "-c", "read line; echo got $line; exit 6")).Text;
        var attached = await _engine.Client(client, ["attach", id], "word\n"u8.ToArray());
        Assert.Equal((6, "got word"), (attached.ExitCode, attached.Text));
        await Do(client, "rm", id);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Exec_has_its_own_streams_user_environment_and_directory(string client)
    {
        var id = (await Do(client, "run", "-d", "busybox", "sleep", "300")).Text;
        var result = await _engine.Client(
            client, ["exec", "-i", "-u", "www", "-e", "WORD=quay", "-w", "/tmp", id, "sh", "-c", "cat; id -un; echo $WORD; pwd; echo oops >&2"], "in\n"u8.ToArray());
        Assert.Equal((0, "in\nwww\nquay\n/tmp\n", "oops\n"), (result.ExitCode, result.Output, result.Error));
        Assert.Equal(127, (await _engine.Client(client, ["exec", id, "no-such-program"])).ExitCode);
        var state = await _engine.Client(client, ["exec", "no-such-container", "true"]);
        Assert.Equal(1, state.ExitCode);
        Assert.Contains("No such container: no-such-container", state.Error, StringComparison.Ordinal);
        await Do(client, "rm", "-f", id);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Inspect_is_JSON_with_the_documented_names(string client)
    {
        var id = (await Do(client, "run", "-d", "--name", "look", "--memory", "32m", "busybox", "sleep", "300")).Text;
        using var json = JsonDocument.Parse((await Do(client, "inspect", "look")).Output);
        var container = json.RootElement[0];
        Assert.Equal(id, container.GetProperty("Id").GetString());
        Assert.Equal("/look", container.GetProperty("Name").GetString());
        Assert.Equal(32 << 20, container.GetProperty("HostConfig").GetProperty("Memory").GetInt64());
        Assert.True(container.GetProperty("State").GetProperty("Running").GetBoolean());
        Assert.True(container.GetProperty("State").GetProperty("Pid").GetInt32() > 0);
        Assert.Matches(@"^172\.17\.0\.\d+$", container.GetProperty("NetworkSettings").GetProperty("Networks").GetProperty("bridge").GetProperty("IPAddress").GetString());
        await Do(client, "rm", "-f", "look");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_running_container_is_not_removed_without_force(string client)
    {
        var id = (await Do(client, "run", "-d", "busybox", "sleep", "300")).Text;
        var refused = await _engine.Client(client, ["rm", id]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("container is running: stop the container before removing or force remove", refused.Error, StringComparison.Ordinal);
        await Do(client, "rm", "-f", id);
    }

    [Fact]
    public async Task Forty_containers_start_at_once_and_all_end_well()
    {
        var started = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => _engine.Cais("run", "-d", "busybox", "sleep", "300")));
        Assert.All(started, r => Assert.Equal(0, r.ExitCode));
        var ids = started.Select(r => r.Text).ToHashSet();
        Assert.Equal(40, ids.Count);
        var addresses = (await _engine.Cais(["inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", .. ids])).Succeeded().Lines;
        Assert.Equal(40, addresses.Distinct().Count());
        (await _engine.Cais(["rm", "-f", .. ids])).Succeeded();
        Assert.Equal("", (await _engine.Cais("ps", "-aq")).Succeeded().Text);
    }

    private async Task<ProcessResult> Do(string client, params string[] arguments) => (await _engine.Client(client, arguments)).Succeeded();

    private async Task<string> Status(string client, string id) => (await Do(client, "inspect", "-f", "{{.State.Status}}", id)).Text;
}
