using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Legacy links where containers of the default network may not talk to each other (<c>--icc=false</c>).</summary>
[Trait("Tier", "e2e")]
public sealed class IsolatedLinkTests
{
    private const string Server = "nc -lk -p 80 -e echo page & nc -lk -p 81 -e echo page";

    [Fact]
    public async Task A_link_opens_the_ports_that_the_other_exposes_and_nothing_else_for_as_long_as_it_is_there()
    {
        await using var engine = await Engine.Start("--icc=false");
        await Busybox.Import(engine);
        async Task<string> Run(params string[] arguments) => (await engine.Docker(arguments)).Succeeded().Text;
        async Task<bool> Reaches(string from, string address, int port) =>
            (await engine.Docker("exec", from, "sh", "-c", $"nc -w 2 {address} {port} < /dev/null")).Text == "page";
        Task<string> AddressOf(string name) => Run("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name);

        await Run("run", "-d", "--name", "store", "--expose", "80", "busybox", "sh", "-c", Server);
        await Run("run", "-d", "--name", "web", "--link", "store", "busybox", "sh", "-c", Server);
        await Run("run", "-d", "--name", "other", "busybox", "sleep", "300");
        await Eventually.Holds(() => Reaches("web", "store", 80), "the link has a way");
        Assert.False(await Reaches("web", "store", 81));
        Assert.False(await Reaches("other", await AddressOf("store"), 80));
        Assert.False(await Reaches("store", await AddressOf("web"), 80));

        // At its next address, and after a crash.
        var before = await AddressOf("store");
        await Run("stop", "-t", "0", "store");
        await Run("run", "-d", "--name", "taker", "busybox", "sh", "-c", Server);
        Assert.Equal(before, await AddressOf("taker"));
        Assert.False(await Reaches("web", before, 80));
        await Run("start", "store");
        await Eventually.Holds(() => Reaches("web", "store", 80), "the link follows");
        await engine.Crash();
        await engine.StartDaemon();
        Assert.True(await Reaches("web", "store", 80));

        await Run("rm", "--link", "web/store");
        Assert.False(await Reaches("web", await AddressOf("store"), 80));
        Assert.DoesNotContain("tcp .", (await Command.Run("nft", ["list", "set", "inet", "cais", "links4"])).Text, StringComparison.Ordinal);
    }
}
