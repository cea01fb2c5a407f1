using System.Net;
using System.Text;
using Cais.Testing;

namespace Cais.Daemon.Tests.Api;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class SystemApiTests(TestDaemon daemon)
{
    [Fact]
    public async Task A_ping_tells_what_clients_negotiate_by()
    {
        var response = await daemon.Client.GetAsync(new Uri("/_ping", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("OK", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(["1.55"], response.Headers.GetValues("Api-Version"));
        Assert.Equal(["linux"], response.Headers.GetValues("Ostype"));
        Assert.Equal(["false"], response.Headers.GetValues("Docker-Experimental"));
        Assert.Equal(["inactive"], response.Headers.GetValues("Swarm"));
    }

    [Theory]
    [InlineData("/v1.56/_ping", "client version 1.56 is too new. Maximum supported API version is 1.55")]
    [InlineData("/v1.99/info", "client version 1.99 is too new. Maximum supported API version is 1.55")]
    public async Task A_version_that_is_not_spoken_is_refused(string path, string message) =>
        Assert.Equal(message, await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Client.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken)));

    [Fact]
    public async Task A_version_from_before_json_errors_is_refused_in_plain_text()
    {
        var response = await daemon.Client.GetAsync(new Uri("/v1.23/info", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.BadRequest, "text/plain"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Equal(
            "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n",
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/v1.47/containers/anything")]
    public async Task Options_is_answered_everywhere(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, new Uri(path, UriKind.Relative));
        var response = await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.OK, ""), (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("1.55", "NRI,DiscoveredDevices?,FirewallBackend,CDISpecDirs,CgroupVersion", "BridgeNfIptables,KernelMemoryTCP")]
    [InlineData("1.51", "FirewallBackend,KernelMemoryTCP", "NRI,BridgeNfIptables")]
    [InlineData("1.49", "FirewallBackend,BridgeNfIptables", "NRI,DiscoveredDevices")]
    [InlineData("1.47", "CDISpecDirs,BridgeNfIptables", "FirewallBackend,NRI")]
    [InlineData("1.40", "BridgeNfIp6tables,KernelMemoryTCP", "CDISpecDirs,CgroupVersion,DefaultAddressPools,FirewallBackend")]
    public async Task Info_has_each_versions_members(string version, string present, string absent)
    {
        var info = await daemon.Get($"/v{version}/info");
        Assert.Equal([], present.Split(',').Where(n => !n.EndsWith('?') && !info.TryGetProperty(n, out _)));
        Assert.Equal([], absent.Split(',').Where(n => info.TryGetProperty(n, out _)));
        Assert.Equal(string.CompareOrdinal(version, "1.49") < 0, info.GetProperty("RuncCommit").TryGetProperty("Expected", out _));
    }

    [Fact]
    public async Task Debugging_is_found_only_when_it_is_on()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await daemon.Client.GetAsync(new Uri("/debug/vars", UriKind.Relative), TestContext.Current.CancellationToken)).StatusCode);
        daemon.Engine.Reload(daemon.Engine.Options with { Debug = true }, daemon.Engine.Images.Options);
        Assert.Equal(HttpStatusCode.OK, (await daemon.Client.GetAsync(new Uri("/debug/pprof/cmdline", UriKind.Relative), TestContext.Current.CancellationToken)).StatusCode);
        daemon.Engine.Reload(daemon.Engine.Options with { Debug = false }, daemon.Engine.Images.Options);
        Assert.Equal(HttpStatusCode.NotFound, (await daemon.Client.GetAsync(new Uri("/debug/vars", UriKind.Relative), TestContext.Current.CancellationToken)).StatusCode);
    }

    [Theory]
    [InlineData("GET", "/nosuch")]
    [InlineData("GET", "/v1.47/containers/create")]
    [InlineData("PUT", "/containers/json")]
    public async Task What_is_no_endpoint_is_not_found(string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path, UriKind.Relative));
        Assert.Equal("page not found", await TestDaemon.Message(HttpStatusCode.NotFound, await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task Version_and_info_are_as_described()
    {
        Assert.Equal("1.55", (await daemon.Get("/version")).GetProperty("ApiVersion").GetString());
        var info = await daemon.Get("/info");
        Assert.Equal("linux", info.GetProperty("OSType").GetString());
        Assert.True(info.GetProperty("Runtimes").TryGetProperty("cais", out _));
    }

    [Theory]
    [InlineData("?verbose=1")]
    [InlineData("?verbose=1&type=image")]
    [InlineData("?verbose=1&type=container&type=volume&type=build-cache")]
    public async Task Disk_usage_is_as_described(string query) => await daemon.Get("/v1.52/system/df" + query);

    [Fact]
    public async Task Disk_usage_has_its_old_form_for_old_clients() =>
        Assert.Equal(1, (await daemon.Get("/v1.47/system/df")).GetProperty("Images").GetArrayLength());

    [Fact]
    public async Task Disk_usage_of_what_does_not_exist_is_refused() =>
        Assert.Equal("unknown object type: what", await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Client.GetAsync(new Uri("/system/df?type=what", UriKind.Relative), TestContext.Current.CancellationToken)));

    [Theory]
    [InlineData("{", "application/json", "invalid JSON: line 1, byte 1")]
    [InlineData("", "application/json", "invalid JSON: got EOF while reading request body")]
    [InlineData("{}", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'")]
    [InlineData("{\"Image\":7}", "application/json", "invalid JSON: line 1, byte 10 at Image")]
    [InlineData("{}", "application/json", "config cannot be empty in order to create a container")]
    public async Task A_body_that_is_no_request_is_refused(string body, string type, string message)
    {
        using var content = new StringContent(body, Encoding.UTF8);
        content.Headers.ContentType = new(type);
        Assert.Equal(message, await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Client.PostAsync(new Uri("/containers/create", UriKind.Relative), content, TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task A_bad_filter_is_refused() =>
        Assert.Equal("invalid filter", await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Client.GetAsync(new Uri("/containers/json?filters=%7B", UriKind.Relative), TestContext.Current.CancellationToken)));

    [Fact]
    public async Task Events_are_told_while_they_happen()
    {
        using var response = await daemon.Client.GetAsync(new Uri("/events?filters=%7B%22type%22%3A%5B%22volume%22%5D%7D", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal("application/jsonl", response.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        await daemon.Post("/volumes/create", """{"Name":"told"}""");
        var line = await reader.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Contains("\"Action\":\"create\"", line, StringComparison.Ordinal);
        await daemon.Delete("/volumes/told");
    }

    [Fact]
    public async Task A_client_that_leaves_a_stream_is_forgotten()
    {
        await Eventually.Holds(() => daemon.Engine.Events.Listeners == 0, "nobody of another test listens any more");
        var before = daemon.Engine.Events.Listeners;
        using (await daemon.Client.GetAsync(new Uri("/events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken))
        {
            Assert.Equal(before + 1, daemon.Engine.Events.Listeners);
        }

        await Eventually.Holds(() => daemon.Engine.Events.Listeners == before, "the listener is gone");
    }
}
