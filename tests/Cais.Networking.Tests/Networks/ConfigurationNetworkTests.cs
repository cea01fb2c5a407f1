using System.Net;
using Cais.Networking.Tests.Lab;

namespace Cais.Networking.Tests.Networks;

/// <summary>Networks that are settings alone, and those that take them.</summary>
[Trait("Tier", "integration")]
public sealed class ConfigurationNetworkTests
{
    [Fact]
    public async Task A_network_takes_its_settings_from_another()
    {
        await using var lab = await Testbed.Create();
        var settings = await lab.Create("settings", s => s with
        {
            ConfigOnly = true,
            Ipam = [new IpamConfig(IPNetwork.Parse("10.40.0.0/24"), null, IPAddress.Parse("10.40.0.9"))],
            Options = new Dictionary<string, string> { ["com.docker.network.driver.mtu"] = "1400" },
            Labels = new Dictionary<string, string> { ["from"] = "settings" },
        });
        Assert.Equal("null", settings.Driver);
        Assert.DoesNotContain($"br-{settings.Id[..12]}", lab.Links());
        var network = await lab.Create("real", s => s with { ConfigFrom = "settings" });
        Assert.Equal("10.40.0.9", network.Spec.Ipam[0].Gateway!.ToString());
        Assert.Equal(1400, network.Mtu);
        Assert.Equal("settings", network.Spec.Labels["from"]);
        var (sandbox, inside) = await lab.Run("real");
        Assert.Equal("10.40.0.1", sandbox.Endpoints[0].IPv4Address!.ToString());
        Assert.Equal(1400, inside.Do(() => inside.Route.FindLink("eth0"))!.Mtu);
    }

    [Fact]
    public async Task What_docker_refuses_is_refused()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("settings", s => s with { ConfigOnly = true });
        await lab.Create("plain");
        await lab.Create("real", s => s with { ConfigFrom = "settings" });
        async Task<string> Refused(Func<Task> what, NetworkError error)
        {
            var refused = await Assert.ThrowsAsync<NetworkException>(what);
            Assert.Equal(error, refused.Error);
            return refused.Message;
        }

        Assert.Contains("does not exist", await Refused(() => lab.Create("a", s => s with { ConfigFrom = "none-such" }), NetworkError.NotFound), StringComparison.Ordinal);
        Assert.Contains("is not a configuration network", await Refused(() => lab.Create("a", s => s with { ConfigFrom = "plain" }), NetworkError.Forbidden), StringComparison.Ordinal);
        Assert.Contains(
            "user specified configurations are not supported",
            await Refused(() => lab.Create("a", s => s with { ConfigFrom = "settings", EnableIPv6 = true }), NetworkError.Forbidden),
            StringComparison.Ordinal);
        Assert.Contains(
            "cannot depend on another",
            await Refused(() => lab.Create("a", s => s with { ConfigFrom = "settings", ConfigOnly = true }), NetworkError.Forbidden),
            StringComparison.Ordinal);
        Assert.Contains("cannot create endpoint on configuration-only network", await Refused(() => lab.Run("settings"), NetworkError.Forbidden), StringComparison.Ordinal);
        Assert.Contains(
            "is in use", await Refused(() => lab.Controller.RemoveAsync("settings", TestContext.Current.CancellationToken), NetworkError.Forbidden), StringComparison.Ordinal);
        await lab.Controller.RemoveAsync("real", TestContext.Current.CancellationToken);
        await lab.Controller.RemoveAsync("settings", TestContext.Current.CancellationToken);
        Assert.Contains(
            "IPv4 or IPv6 must be enabled", await Refused(() => lab.Create("a", s => s with { EnableIPv4 = false }), NetworkError.InvalidParameter), StringComparison.Ordinal);
    }
}
