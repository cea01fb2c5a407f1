using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cais.Engine;
using Cais.Oci;
using Microsoft.AspNetCore.Http;

namespace Cais.Daemon.Http;

/// <summary>A request as an endpoint sees it: its parameters in docker's reading, and the ways to answer.</summary>
internal sealed class ApiRequest(HttpContext http, ApiVersion version, IReadOnlyDictionary<string, string> values)
{
    /// <summary>Far above any configuration a client sends; what is larger is a mistake or an attack.</summary>
    private const int LargestJson = 8 << 20;

    private readonly ClientConnection? _client = http.Features.Get<ClientConnection>();

    public HttpContext Http => http;

    /// <summary>The API version the client asked for.</summary>
    public ApiVersion Version => version;

    /// <summary>Fires when the client is gone, or has at least said its last: not for raw streams, where that is ordinary.</summary>
    public CancellationToken Gone => _client?.FinishedSending ?? http.RequestAborted;

    /// <summary>What the path's <c>{name}</c> stands for.</summary>
    public string Path(string name) => values[name];

    /// <summary>A query parameter, or null when it is absent or empty.</summary>
    public string? Query(string name) => http.Request.Query.TryGetValue(name, out var found) && found.Count > 0 && found[0] is { Length: > 0 } text ? text : null;

    public IReadOnlyList<string> QueryAll(string name) =>
        http.Request.Query.TryGetValue(name, out var found) ? [.. found.OfType<string>().Where(f => f.Length > 0)] : [];

    public bool HasQuery(string name) => http.Request.Query.ContainsKey(name);

    /// <summary>Docker's truth: everything is true but nothing, 0, no, false and none.</summary>
    public bool Flag(string name, bool otherwise = false)
    {
        if (!HasQuery(name))
        {
            return otherwise;
        }

        return Query(name)?.Trim().ToLowerInvariant() is not (null or "" or "0" or "no" or "false" or "none");
    }

    public int? Integer(string name) => Query(name) switch
    {
        null => null,
        var text when int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
        var text => throw EngineException.InvalidParameter($"strconv.Atoi: parsing \"{text}\": invalid syntax"),
    };

    /// <summary>The <c>filters</c> parameter, in the form of today (name to set) or of API 1.21 (name to list).</summary>
    public Filters Filters()
    {
        var text = Query("filters");
        if (text is null)
        {
            return Cais.Engine.Filters.None;
        }

        try
        {
            return Cais.Engine.Filters.Parse(text);
        }
        catch (JsonException)
        {
            throw EngineException.InvalidParameter("invalid filter");
        }
    }

    /// <summary>The request's body, which must be JSON and there.</summary>
    public async Task<T> Json<T>(JsonTypeInfo<T> type) where T : class =>
        await OptionalJson(type).ConfigureAwait(false) ?? throw EngineException.InvalidParameter("invalid JSON: got EOF while reading request body");

    /// <summary>The request's body, or null when there is none.</summary>
    public async Task<T?> OptionalJson<T>(JsonTypeInfo<T> type) where T : class
    {
        var body = await Body().ConfigureAwait(false);
        if (body.Length == 0)
        {
            return null;
        }

        CheckContentType();
        try
        {
            return JsonSerializer.Deserialize(body.Span, type);
        }
        catch (JsonException e)
        {
            throw EngineException.InvalidParameter($"invalid JSON: {Explain(e)}");
        }
    }

    /// <summary>Reads a body that is JSON, for requests that are refused whatever it says. Throws for what is none.</summary>
    public async Task CheckJson()
    {
        var body = await Body().ConfigureAwait(false);
        if (body.Length == 0)
        {
            throw EngineException.InvalidParameter("invalid JSON: got EOF while reading request body");
        }

        CheckContentType();
        try
        {
            using var document = JsonDocument.Parse(body);
        }
        catch (JsonException e)
        {
            throw EngineException.InvalidParameter($"invalid JSON: {Explain(e)}");
        }
    }

    /// <summary>The request's whole body as it is, which must not be longer than <paramref name="largest"/> bytes.</summary>
    public async Task<byte[]> Bytes(int largest)
    {
        var body = await Body().ConfigureAwait(false);
        return body.Length <= largest ? body.ToArray() : throw EngineException.InvalidParameter($"request body is larger than {largest} bytes");
    }

    public Stream BodyStream => http.Request.Body;

    public async Task Answer<T>(T value, JsonTypeInfo<T> type, int status = 200)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        PlainJson.Write(body, value, type);
        body.Write("\n"u8);
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = body.WrittenCount;
        await http.Response.Body.WriteAsync(body.WrittenMemory).ConfigureAwait(false);
    }

    public async Task Raw(ReadOnlyMemory<byte> body, string type)
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = body.Length;
        await http.Response.Body.WriteAsync(body).ConfigureAwait(false);
    }

    public Task Empty(int status)
    {
        http.Response.StatusCode = status;
        return Task.CompletedTask;
    }

    public async Task Text(string text, string type = "text/plain; charset=utf-8")
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        http.Response.ContentType = type;
        http.Response.ContentLength = bytes.Length;
        if (http.Request.Method != "HEAD")
        {
            await http.Response.Body.WriteAsync(bytes).ConfigureAwait(false);
        }
    }

    /// <summary>Begins an answer whose end is not known, and lets the client see its head now.</summary>
    public async Task<PipeWriter> Stream(string contentType)
    {
        http.Response.ContentType = contentType;
        await http.Response.StartAsync().ConfigureAwait(false);
        await http.Response.BodyWriter.FlushAsync().ConfigureAwait(false);
        return http.Response.BodyWriter;
    }

    /// <summary>
    /// Turns the connection into a raw stream. Reads the request's body first, since the bytes after it are the stream's. Answers 101 when
    /// the client asked for an upgrade, otherwise docker's older 200.
    /// </summary>
    public Task<IDuplexPipe> Hijack(string contentType, string protocol = "tcp") => HijackWith(
        http.Request.Headers.Upgrade.Count > 0
            ? $"HTTP/1.1 101 UPGRADED\r\nContent-Type: {contentType}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nApi-Version: {ApiVersion.Newest}\r\n\r\n"
            : $"HTTP/1.1 200 OK\r\nContent-Type: {contentType}\r\n\r\n");

    /// <summary>The same with an answer's head of the caller's own.</summary>
    public async Task<IDuplexPipe> HijackWith(string head)
    {
        var client = _client ?? throw new InvalidOperationException("a raw stream needs a connection of the API server");
        if (http.Request.ContentLength > 0)
        {
            // dockerode sends its options along, which are no input of the container's. Nothing is left of a body that was read before.
            await Body().ConfigureAwait(false);
        }

        http.Response.Headers.Connection = "close";
        var pipe = client.Detach(System.Text.Encoding.ASCII.GetBytes(head));
        await pipe.Output.FlushAsync().ConfigureAwait(false);
        return pipe;
    }

    /// <summary>Docker's name for a stream of frames or of plain bytes; versions before 1.42 know one name only.</summary>
    public string StreamType(bool framed) => framed && version >= new ApiVersion(1, 42)
        ? "application/vnd.docker.multiplexed-stream"
        : "application/vnd.docker.raw-stream";

    private async Task<ReadOnlyMemory<byte>> Body()
    {
        if (http.Request.ContentLength is > LargestJson)
        {
            throw EngineException.InvalidParameter($"request body is larger than {LargestJson} bytes");
        }

        var body = new MemoryStream();
        var buffer = ArrayPool<byte>.Shared.Rent(16 << 10);
        try
        {
            int read;
            while ((read = await http.Request.Body.ReadAsync(buffer).ConfigureAwait(false)) > 0)
            {
                body.Write(buffer, 0, read);
                if (body.Length > LargestJson)
                {
                    throw EngineException.InvalidParameter($"request body is larger than {LargestJson} bytes");
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }

    private void CheckContentType()
    {
        var type = http.Request.ContentType;
        var name = type?.Split(';', 2)[0].Trim();
        if (string.IsNullOrEmpty(name))
        {
            throw EngineException.InvalidParameter($"malformed Content-Type header ({type}): mime: no media type");
        }

        if (!name.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw EngineException.InvalidParameter($"unsupported Content-Type header ({type}): must be 'application/json'");
        }
    }

    /// <summary>The reader's words without its stack of paths: what was wrong and where.</summary>
    private static string Explain(JsonException e)
    {
        var where = e.Path is { Length: > 1 } path ? $" at {path.TrimStart('$', '.')}" : "";
        return $"line {(e.LineNumber ?? 0) + 1}, byte {e.BytePositionInLine ?? 0}{where}";
    }
}
