using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cais.EndToEnd.Tests;

/// <summary>What clients that are not command lines see: bad input over the socket.</summary>
[Trait("Tier", "e2e")]
public sealed class ApiTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    [Theory]
    [InlineData("{")]
    [InlineData("not json")]
    [InlineData("{\"Image\": 5}")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task Malformed_JSON_is_400_with_a_message(string body)
    {
        using var client = Connect();
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri("http://engine/containers/create"), content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("\"message\":", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal("", (await _engine.Cais("ps", "-aq")).Succeeded().Text);
    }

    [Fact]
    public async Task A_version_from_the_future_is_refused_by_name()
    {
        using var client = Connect();
        using var response = await client.GetAsync(new Uri("http://engine/v1.99/containers/json"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("client version 1.99 is too new. Maximum supported API version is", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_page_that_does_not_exist_is_404_in_JSON()
    {
        using var client = Connect();
        using var response = await client.GetAsync(new Uri("http://engine/v1.44/no/such/page"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("page not found", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_hangs_in_the_middle_of_a_request_holds_nobody_up()
    {
        using var stuck = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await stuck.ConnectAsync(new UnixDomainSocketEndPoint(_engine.Socket), TestContext.Current.CancellationToken);
        await stuck.SendAsync("POST /containers/create HTTP/1.1\r\nHost: engine\r\nContent-Length: 1000\r\n\r\n{"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("OK", (await _engine.Cais("run", "--rm", "busybox", "echo", "OK")).Succeeded().Text);
    }

    private HttpClient Connect() => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_engine.Socket), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    });
}
