using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Cais.Daemon.Authorization;
using Cais.Daemon.Http;
using Cais.Engine.Logging;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Cais.Daemon.Tests.Api;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class AuthorizationTests(TestDaemon daemon) : IAsyncLifetime
{
    private const string Folder = "/run/docker/plugins";

    private readonly Gate _gate = new();
    private readonly string _socket = Path.Combine(Path.GetTempPath(), $"authorized-{Guid.NewGuid():N}.sock");
    private ApiServer? _plugin;
    private ApiServer? _server;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Folder);
        _plugin = new ApiServer([new Listener(new UnixAddress(Path.Combine(Folder, "gate.sock")), null)]);
        await _plugin.Start(_gate, CancellationToken.None);
        _server = await Serve("gate");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in new[] { _server!, _plugin! })
        {
            using var now = new CancellationTokenSource();
            await now.CancelAsync();
            await server.Stop(now.Token);
            await server.DisposeAsync();
        }

        File.Delete(_socket);
        Directory.Delete("/run/docker", recursive: true);
    }

    [Fact]
    public async Task A_request_that_every_plugin_allows_is_done_and_the_plugin_sees_all_of_it()
    {
        using var client = Client();
        var response = await client.PostAsync(new Uri("/v1.50/volumes/create", UriKind.Relative), new StringContent("""{"Name":"allowed"}""", Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        Assert.Equal("allowed", (await TestDaemon.Json(response)).GetProperty("Name").GetString());
        var (asked, answered) = (_gate.Asked.Single(a => a.Method == "AuthZPlugin.AuthZReq").Body, _gate.Asked.Single(a => a.Method == "AuthZPlugin.AuthZRes").Body);
        Assert.Equal(("POST", "/v1.50/volumes/create"), (asked.GetProperty("RequestMethod").GetString(), asked.GetProperty("RequestUri").GetString()));
        Assert.Equal("""{"Name":"allowed"}""", Encoding.UTF8.GetString(asked.GetProperty("RequestBody").GetBytesFromBase64()));
        Assert.Equal(201, answered.GetProperty("ResponseStatusCode").GetInt32());
        Assert.Contains("\"allowed\"", Encoding.UTF8.GetString(answered.GetProperty("ResponseBody").GetBytesFromBase64()), StringComparison.Ordinal);
        await daemon.Delete("/volumes/allowed");
    }

    [Fact]
    public async Task A_request_that_a_plugin_forbids_is_not_done()
    {
        _gate.Request = """{"Allow":false,"Msg":"not today"}""";
        using var client = Client();
        var response = await client.PostAsync(new Uri("/volumes/create", UriKind.Relative), new StringContent("""{"Name":"forbidden"}""", Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal("authorization denied by plugin gate: not today", await TestDaemon.Message(HttpStatusCode.Forbidden, response));
        Assert.Null(daemon.Engine.Volumes.Find("forbidden"));
    }

    [Fact]
    public async Task An_answer_that_a_plugin_forbids_is_not_given()
    {
        _gate.Response = """{"Allow":false,"Msg":"secret"}""";
        using var client = Client();
        Assert.Equal(
            "authorization denied by plugin gate: secret",
            await TestDaemon.Message(HttpStatusCode.Forbidden, await client.GetAsync(new Uri("/info", UriKind.Relative), TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task A_plugin_that_fails_or_is_not_there_means_no()
    {
        _gate.Request = """{"Allow":true,"Err":"broken"}""";
        using var client = Client();
        Assert.Equal(
            "plugin gate failed with error: broken",
            await TestDaemon.Message(HttpStatusCode.InternalServerError, await client.GetAsync(new Uri("/_ping", UriKind.Relative), TestContext.Current.CancellationToken)));
        var authorization = new AuthorizationPlugins(daemon.Engine.Plugins, ["absent"]);
        var e = await Assert.ThrowsAsync<Engine.EngineException>(() => authorization.CheckRequest(new DefaultHttpContext(), TestContext.Current.CancellationToken));
        Assert.StartsWith("plugin absent failed with error: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Passwords_are_not_shown_and_streams_go_on_as_streams()
    {
        using var client = Client();
        await client.PostAsync(new Uri("/auth", UriKind.Relative), new StringContent("""{"username":"u","password":"p"}""", Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.False(_gate.Asked.First().Body.TryGetProperty("RequestBody", out _));
        using var events = await client.GetAsync(new Uri("/events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, events.StatusCode);
    }

    private async Task<ApiServer> Serve(string plugin)
    {
        var server = new ApiServer([new Listener(new UnixAddress(_socket), null)]);
        var log = new EngineLog(TextWriter.Null, LogLevel.Error);
        await server.Start(
            new ApiApplication(daemon.Router, ApiVersion.Oldest, "test", experimental: false, log, null, new AuthorizationPlugins(daemon.Engine.Plugins, [plugin])), CancellationToken.None);
        return server;
    }

    private HttpClient Client() => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socket), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://docker"),
    };

    /// <summary>A plugin by docker's protocol.</summary>
    private sealed class Gate : IHttpApplication<HttpContext>
    {
        public ConcurrentQueue<(string Method, JsonElement Body)> Asked { get; } = new();

        public string Request { get; set; } = """{"Allow":true}""";

        public string Response { get; set; } = """{"Allow":true}""";

        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }

        public async Task ProcessRequestAsync(HttpContext context)
        {
            using var reader = new StreamReader(context.Request.Body);
            var body = await reader.ReadToEndAsync();
            var method = context.Request.Path.Value!.TrimStart('/');
            if (method != "Plugin.Activate")
            {
                using var json = JsonDocument.Parse(body);
                Asked.Enqueue((method, json.RootElement.Clone()));
            }

            var answer = method switch
            {
                "Plugin.Activate" => """{"Implements":["authz"]}""",
                "AuthZPlugin.AuthZReq" => Request,
                _ => Response,
            };
            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(answer));
        }
    }
}
