using System.Diagnostics;
using System.Text;
using Cais.Api;
using Cais.Daemon.Authorization;
using Cais.Daemon.Metrics;
using Cais.Engine;
using Cais.Engine.Logging;
using Cais.Oci;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Cais.Daemon.Http;

/// <summary>Every request's way: version, route, endpoint, and errors into docker's form.</summary>
internal sealed class ApiApplication(Router router, ApiVersion oldest, string serverName, bool experimental, EngineLog log, DaemonMetrics? metrics = null, AuthorizationPlugins? authorization = null) : IHttpApplication<HttpContext>
{
    /// <summary>Endpoints whose answers come bit by bit, or whose connection becomes a stream.</summary>
    private static readonly HashSet<string> Streams =
    [
        "/build", "/containers/{id}/archive", "/containers/{id}/attach", "/containers/{id}/attach/ws", "/containers/{id}/export", "/containers/{id}/logs",
        "/containers/{id}/stats", "/containers/{id}/wait", "/events", "/exec/{id}/start", "/grpc", "/images/create", "/images/get", "/images/load",
        "/images/{name*}/get", "/images/{name*}/push", "/session",
    ];

    private long _requests;

    /// <summary>How many requests there have been.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        Interlocked.Increment(ref _requests);
        var headers = context.Response.Headers;
        headers["Api-Version"] = ApiVersion.Newest.ToString();
        headers["Docker-Experimental"] = experimental ? "true" : "false";
        headers["Ostype"] = "linux";
        headers.Server = serverName;
        try
        {
            await Dispatch(context).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionResetException or ConnectionAbortedException)
        {
            // The client left; nobody reads an answer.
        }
#pragma warning disable CA1031 // The last catch of a request: whatever it is becomes the client's answer and a line of the log.
        catch (Exception e)
#pragma warning restore CA1031
        {
            await Fail(context, e).ConfigureAwait(false);
        }
    }

    private Task Dispatch(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "/";
        var version = ApiVersion.Newest;
        if (ApiVersion.TryTakePrefix(path, out var asked, out var rest))
        {
            if (asked < oldest)
            {
                throw EngineException.InvalidParameter(
                    $"client version {asked} is too old. Minimum supported API version is {oldest}, please upgrade your client to a newer version");
            }

            if (asked > ApiVersion.Newest)
            {
                throw EngineException.InvalidParameter($"client version {asked} is too new. Maximum supported API version is {ApiVersion.Newest}");
            }

            (version, path) = (asked, rest);
        }

        if (context.Request.Method == HttpMethods.Options)
        {
            return Task.CompletedTask;
        }

        return router.Find(context.Request.Method, path, version) is var (endpoint, values, pattern)
            ? Answer(endpoint, new ApiRequest(context, version, values), pattern)
            : throw EngineException.NotFound("page not found");
    }

    private async Task Answer(Endpoint endpoint, ApiRequest request, string pattern)
    {
        var method = request.Http.Request.Method;
        var started = Stopwatch.GetTimestamp();
        try
        {
            await (authorization is { Names.Count: > 0 } ? Authorized(authorization, endpoint, request, pattern) : endpoint(request)).ConfigureAwait(false);
            metrics?.Answered(method, pattern, started);
        }
        catch
        {
            metrics?.Failed(method, pattern);
            throw;
        }
    }

    /// <summary>Nothing is done before every plugin has agreed, and nothing is answered either, but for streams, whose answer is the doing.</summary>
    private static async Task Authorized(AuthorizationPlugins plugins, Endpoint endpoint, ApiRequest request, string pattern)
    {
        var http = request.Http;
        var asked = await plugins.CheckRequest(http, request.Gone).ConfigureAwait(false);
        if (Streams.Contains(pattern))
        {
            await endpoint(request).ConfigureAwait(false);
            return;
        }

        var answer = new MemoryStream();
        var client = http.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        http.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(answer));
        try
        {
            await endpoint(request).ConfigureAwait(false);
        }
        finally
        {
            http.Features.Set(client);
        }

        await plugins.CheckResponse(asked, http.Response, answer.ToArray(), request.Gone).ConfigureAwait(false);
        if (answer.Length > 0)
        {
            await client.Stream.WriteAsync(answer.GetBuffer().AsMemory(0, (int)answer.Length)).ConfigureAwait(false);
        }
    }

    private async Task Fail(HttpContext context, Exception e)
    {
        var status = Errors.Status(e);
        var message = Errors.Message(e);
        if (status >= 500)
        {
            log.Error("request failed", ("method", context.Request.Method), ("path", context.Request.Path.Value), ("error", Errors.Detail(e)));
        }

        if (context.Response.HasStarted)
        {
            // Too late for a status: the client sees a stream that breaks off.
            context.Abort();
            return;
        }

        context.Response.StatusCode = status;
        if (status == StatusCodes.Status304NotModified)
        {
            return;
        }

        // Before version 1.24 errors were plain text, and who asks in that version reads that.
        var plain = ApiVersion.TryTakePrefix(context.Request.Path.Value ?? "/", out var asked, out _) && asked < ApiVersion.Oldest;
        var body = plain ? Encoding.UTF8.GetBytes(message) : PlainJson.Bytes(new ErrorResponse { Message = message }, ApiJson.Default.ErrorResponse);
        context.Response.ContentType = plain ? "text/plain; charset=utf-8" : "application/json";
        context.Response.ContentLength = body.Length + 1;
        if (context.Request.Method != HttpMethods.Head)
        {
            await context.Response.Body.WriteAsync((byte[])[.. body, (byte)'\n']).ConfigureAwait(false);
        }
    }
}
