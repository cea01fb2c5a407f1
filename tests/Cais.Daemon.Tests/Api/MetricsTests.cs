using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Cais.Daemon.Metrics;

namespace Cais.Daemon.Tests.Api;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed partial class MetricsTests(TestDaemon daemon)
{
    [Fact]
    public async Task What_is_done_is_measured_under_dockerds_names()
    {
        var before = Samples();
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"],"Healthcheck":{"Test":["CMD","false"],"Interval":10000000}}""");
        await daemon.Post($"/containers/{id}/start");
        Assert.True(Samples()["engine_daemon_container_states_containers{state=\"running\"}"] >= 1);
        await Testing.Eventually.Holds(() => Grown("engine_daemon_health_checks_failed_total") > 0, "a health check has failed");
        await daemon.Delete($"/containers/{id}?force=1");
        await daemon.Post("/containers/nosuch/start");
        foreach (var action in new[] { "create", "start", "delete" })
        {
            // A request is counted when it has been answered, which the client may know first.
            await Testing.Eventually.Holds(() => Grown($"engine_daemon_container_actions_seconds_count{{action=\"{action}\"}}") == 1, $"{action} is counted once");
            Assert.Equal(1, Grown($"engine_daemon_container_actions_seconds_bucket{{action=\"{action}\",le=\"+Inf\"}}"));
            Assert.True(Grown($"engine_daemon_container_actions_seconds_sum{{action=\"{action}\"}}") > 0);
        }

        Assert.True(Grown("engine_daemon_events_total") >= 4);
        Assert.True(Grown("engine_daemon_health_checks_total") > 0);
        var now = Samples();
        Assert.Equal(daemon.Engine.Host.Processors, now["engine_daemon_engine_cpus_cpus"]);
        Assert.InRange(now["process_start_time_seconds"], DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 3600, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        Assert.True(now["process_resident_memory_bytes"] > 1 << 20);

        double Grown(string sample) => Samples()[sample] - before[sample];
    }

    [Fact]
    public void Every_line_is_in_prometheus_format()
    {
        foreach (var line in daemon.Metrics!.Render().TrimEnd('\n').Split('\n'))
        {
            Assert.Matches(Line(), line);
        }
    }

    [Fact]
    public async Task They_are_served_on_a_port_of_their_own_and_nothing_else_is()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var address = (IPEndPoint)free.LocalEndpoint;
        free.Stop();
        await using var server = await MetricsServer.Start(daemon.Metrics!, address, TestContext.Current.CancellationToken);
        using var client = new HttpClient { BaseAddress = new Uri($"http://{address}") };
        var response = await client.GetAsync(new Uri("/metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.Contains("# TYPE engine_daemon_container_actions_seconds histogram\n", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(new Uri("/info", UriKind.Relative), TestContext.Current.CancellationToken)).StatusCode);
    }

    private Dictionary<string, double> Samples() => daemon.Metrics!.Render().Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Where(l => l[0] != '#')
        .ToDictionary(l => l[..l.LastIndexOf(' ')], l => double.TryParse(l[(l.LastIndexOf(' ') + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var n) ? n : double.PositiveInfinity);

    [GeneratedRegex("""^(# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))|[a-z_]+(\{([a-z_]+="[^"\\]*",?)+\})? (\+Inf|[0-9.E+-]+))$""")]
    private static partial Regex Line();
}
