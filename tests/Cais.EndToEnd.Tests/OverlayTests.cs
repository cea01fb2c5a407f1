using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Two daemons on two hosts, with one network that spans both.</summary>
[Trait("Tier", "e2e")]
public sealed class OverlayTests
{
    [Fact]
    public async Task A_network_spans_two_daemons_over_partitions_and_crashes()
    {
        await using var host = await Host.Start();
        await using var here = await Engine.Start();
        await using var there = await Engine.StartOn(host);
        await Busybox.Import(here);
        await Busybox.Import(there);
        await Span(here, "docker", Host.Address, "10.9.0.1", "10.9.1.0/24");
        await Span(there, "cais", Host.EngineAddress, "10.9.0.2", "10.9.2.0/24");
        var server = (await here.Docker("run", "-d", "--network", "span", "--ip", "10.9.1.5", "busybox", "sh", "-c",
            "mkdir /www && echo quay >/www/index.html && exec httpd -f -p 80 -h /www")).Succeeded().Text;
        var client = (await there.Cais("run", "-d", "--network", "span", "busybox", "sleep", "300")).Succeeded().Text;
        await Eventually.Holds(async () => (await Ask()).Text == "quay", "the other host's container answers");

        await host.Cable("down");
        Assert.NotEqual(0, (await Ask()).ExitCode);
        await host.Cable("up");
        await Eventually.Holds(async () => (await Ask()).Text == "quay", "it answers again after the partition");

        await there.Crash();
        await here.Crash();
        await there.StartDaemon();
        await here.StartDaemon();
        await Eventually.Holds(async () => (await Ask()).Text == "quay", "it answers after both daemons died");
        (await here.Docker("rm", "-f", server)).Succeeded();
        (await there.Cais("rm", "-f", client)).Succeeded();
        (await here.Docker("network", "rm", "span")).Succeeded();
        (await there.Cais("network", "rm", "span")).Succeeded();

        Task<ProcessResult> Ask() => there.Cais("exec", client, "timeout", "2", "wget", "-qO-", "http://10.9.1.5/");
    }

    private static async Task Span(Engine engine, string client, string peer, string gateway, string range) => (await engine.Client(client,
        ["network", "create", "-d", "overlay", "--subnet", "10.9.0.0/16", "--gateway", gateway, "--ip-range", range, "-o", $"cais.network.overlay.peers={peer}", "span"]))
        .Succeeded();
}
