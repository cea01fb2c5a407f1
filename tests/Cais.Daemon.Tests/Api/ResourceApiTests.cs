using System.Net;

namespace Cais.Daemon.Tests.Api;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class ResourceApiTests(TestDaemon daemon)
{
    [Fact]
    public async Task Images_are_listed_inspected_tagged_and_removed()
    {
        var listed = Assert.Single((await daemon.Get("/v1.55/images/json")).EnumerateArray());
        Assert.Equal(["busybox:latest"], listed.GetProperty("RepoTags").EnumerateArray().Select(t => t.GetString()));
        Assert.Equal(listed.GetProperty("Id").GetString(), (await daemon.Get("/v1.55/images/busybox/json")).GetProperty("Id").GetString());
        Assert.Equal(1, (await daemon.Get("/images/busybox:latest/history")).GetArrayLength());
        await TestDaemon.Expect(HttpStatusCode.Created, await daemon.Post("/images/busybox/tag?repo=localhost:5000/team/box&tag=v1"));
        await daemon.Get("/v1.55/images/localhost:5000/team/box:v1/json");
        var removed = await TestDaemon.Json(await daemon.Delete("/images/localhost:5000/team/box:v1"));
        Assert.Equal("localhost:5000/team/box:v1", removed[0].GetProperty("Untagged").GetString());
    }

    [Theory]
    [InlineData("GET", "/images/nosuch/json", 404, "No such image: nosuch:latest")]
    [InlineData("GET", "/images/nosuch/history", 404, "No such image: nosuch:latest")]
    [InlineData("GET", "/images/nosuch/get", 404, "No such image: nosuch:latest")]
    [InlineData("DELETE", "/images/nosuch", 404, "No such image: nosuch:latest")]
    [InlineData("POST", "/images/nosuch/tag?repo=x", 404, "No such image: nosuch:latest")]
    [InlineData("POST", "/images/busybox/tag?repo=BAD", 400, "invalid reference format: repository name")]
    [InlineData("POST", "/images/create?fromImage=BAD%20NAME", 400, "invalid reference format")]
    [InlineData("POST", "/images/create", 400, "either fromImage or fromSrc must be given")]
    [InlineData("GET", "/images/json?filters=%7B%22what%22%3A%5B%22x%22%5D%7D", 400, "invalid filter 'what'")]
    [InlineData("GET", "/images/busybox/json?platform=linux%2Famd64&manifests=1", 400, "conflicting options")]
    public async Task What_images_cannot_do_is_said(string method, string path, int status, string message)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path, UriKind.Relative));
        Assert.StartsWith(message, await TestDaemon.Message((HttpStatusCode)status, await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_a_container_uses_stays()
    {
        var id = await daemon.Create("""{"Image":"busybox"}""");
        await TestDaemon.Expect(HttpStatusCode.Conflict, await daemon.Delete("/images/busybox"));
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task A_saved_image_loads_again()
    {
        var archive = await daemon.Client.GetByteArrayAsync(new Uri("/images/busybox/get", UriKind.Relative), TestContext.Current.CancellationToken);
        using var content = new ByteArrayContent(archive);
        var loaded = await daemon.Client.PostAsync(new Uri("/images/load", UriKind.Relative), content, TestContext.Current.CancellationToken);
        Assert.Contains("Loaded image: busybox:latest", await loaded.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_archive_that_is_none_is_refused()
    {
        using var content = new ByteArrayContent(new byte[2048]);
        var response = await daemon.Client.PostAsync(new Uri("/images/load", UriKind.Relative), content, TestContext.Current.CancellationToken);
        Assert.False(response.IsSuccessStatusCode);
    }

    [Fact]
    public async Task Volumes_are_created_listed_inspected_and_removed()
    {
        var created = await TestDaemon.Json(await daemon.Post("/volumes/create", """{"Name":"v1","Labels":{"a":"b"}}"""));
        Assert.Equal("local", created.GetProperty("Driver").GetString());
        await daemon.Get("/volumes/v1");
        Assert.Single((await daemon.Get("/volumes?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D")).GetProperty("Volumes").EnumerateArray());
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Delete("/volumes/v1"));
        Assert.Equal("get v1: no such volume", await TestDaemon.Message(HttpStatusCode.NotFound, await daemon.Delete("/volumes/v1")));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Delete("/volumes/v1?force=1"));
        await TestDaemon.Expect(HttpStatusCode.OK, await daemon.Post("/volumes/prune"));
    }

    [Theory]
    [InlineData("""{"Name":"bad/name"}""", 400)]
    [InlineData("""{"Name":"x1","Driver":"nosuch"}""", 404)]
    [InlineData("""{"Name":"x1","DriverOpts":{"what":"x"}}""", 400)]
    public async Task A_volume_that_cannot_be_is_refused(string body, int status) => await TestDaemon.Expect((HttpStatusCode)status, await daemon.Post("/volumes/create", body));

    [Fact]
    public async Task Networks_are_created_joined_left_and_removed()
    {
        Assert.Equal(["bridge", "host", "none"], (await daemon.Get("/networks")).EnumerateArray().Select(n => n.GetProperty("Name").GetString()).Order());
        var id = (await TestDaemon.Json(await daemon.Post("/networks/create", """{"Name":"n1","IPAM":{"Config":[{"Subnet":"10.77.0.0/24"}]},"Labels":{"a":"b"}}"""))).GetProperty("Id").GetString();
        Assert.Equal("10.77.0.0/24", (await daemon.Get("/networks/n1")).GetProperty("IPAM").GetProperty("Config")[0].GetProperty("Subnet").GetString());
        await TestDaemon.Expect(HttpStatusCode.Conflict, await daemon.Post("/networks/create", """{"Name":"n1"}"""));
        var container = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"]}""");
        await daemon.Post($"/containers/{container}/start");
        await TestDaemon.Expect(HttpStatusCode.OK, await daemon.Post("/networks/n1/connect", $$$"""{"Container":"{{{container}}}","EndpointConfig":{"Aliases":["db"]}}"""));
        var networks = (await daemon.Get($"/v1.55/containers/{container}/json")).GetProperty("NetworkSettings").GetProperty("Networks");
        Assert.StartsWith("10.77.0.", networks.GetProperty("n1").GetProperty("IPAddress").GetString(), StringComparison.Ordinal);
        Assert.True((await daemon.Get($"/networks/{id}")).GetProperty("Containers").TryGetProperty(container, out _));
        await TestDaemon.Expect(HttpStatusCode.Forbidden, await daemon.Delete("/networks/n1"));
        await TestDaemon.Expect(HttpStatusCode.OK, await daemon.Post("/networks/n1/disconnect", $$"""{"Container":"{{container}}"}"""));
        await daemon.Delete($"/containers/{container}?force=1");
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Delete("/networks/n1"));
        await TestDaemon.Expect(HttpStatusCode.NotFound, await daemon.Delete("/networks/n1"));
        await TestDaemon.Expect(HttpStatusCode.Forbidden, await daemon.Delete("/networks/bridge"));
    }

    [Theory]
    [InlineData("""{"Name":""}""", 400)]
    [InlineData("""{"Name":"n2","Driver":"nosuch"}""", 404)]
    [InlineData("""{"Name":"n2","IPAM":{"Config":[{"Subnet":"what"}]}}""", 400)]
    public async Task A_network_that_cannot_be_is_refused(string body, int status) => await TestDaemon.Expect((HttpStatusCode)status, await daemon.Post("/networks/create", body));
}
