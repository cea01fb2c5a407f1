using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cais.Client.Http;
using Cais.Oci;

namespace Cais.Client;

/// <summary>
/// Client of the Engine API. Thread-safe: concurrent calls use connections of their own, finished ones are kept for the next call.
/// </summary>
/// <remarks>
/// The API version is not negotiated ahead of the first call, which would cost a round trip: the newest is tried, and a daemon that
/// is older says so (400), is asked for its version once and gets the call again.
/// </remarks>
public sealed partial class EngineClient(EngineClientOptions options) : IDisposable
{
    /// <summary>Newest API version this client knows.</summary>
    public const string NewestApiVersion = "1.55";

    /// <summary>A longer error body is not an error message.</summary>
    private const int MaximumError = 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Stack<HttpConnection> _idle = new();
    private string _version = options.ApiVersion ?? NewestApiVersion;
    private bool _versionConfirmed = options.ApiVersion is not null;

    public EngineEndpoint Endpoint => options.Endpoint;

    /// <summary>The version used for calls: final only after the first of them.</summary>
    public string ApiVersion => _version;

    /// <summary>Makes one call and returns its successful answer, the body unread.</summary>
    /// <exception cref="EngineApiException">The daemon answered with an error.</exception>
    /// <exception cref="EngineConnectionException">The daemon cannot be reached.</exception>
    public async Task<EngineResponse> SendAsync(EngineRequest request, CancellationToken cancellationToken = default)
    {
        if (request.BodyStream is not null && !_versionConfirmed)
        {
            // A stream cannot be sent twice, so this call must not fail for its version.
            await NegotiateAsync(cancellationToken).ConfigureAwait(false);
        }

        while (true)
        {
            var (head, body) = await ExchangeAsync(request, cancellationToken).ConfigureAwait(false);
            if (head.Status < 400)
            {
                _versionConfirmed |= !request.Unversioned;
                return new EngineResponse(head, body);
            }

            if (!await RetryWithOlderVersionAsync(head, body, request, cancellationToken).ConfigureAwait(false))
            {
                throw new InvalidOperationException("unreachable: an error answer either retries or throws");
            }
        }
    }

    /// <summary>Makes one call whose connection becomes a raw stream in both directions (attach, exec).</summary>
    public async Task<HijackedConnection> HijackAsync(EngineRequest request, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            // Always a fresh connection: it will not come back, and one that died idle must not cost the call.
            var connection = await ConnectAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await connection.SendAsync(Head(request, upgrade: true), request.Body, cancellationToken).ConfigureAwait(false);
                var head = await connection.ReadHeadAsync(cancellationToken).ConfigureAwait(false);
                if (head.Status < 400)
                {
                    _versionConfirmed = true;
                    return new HijackedConnection(connection, head);
                }

                var body = new ResponseBody(connection, head, hasBody: true, Release);
                connection = null;
                await RetryWithOlderVersionAsync(head, body, request, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                connection?.Dispose();
                throw;
            }
        }
    }

    /// <summary>Opens a connection ahead of need, so that a later call finds it. A failure shows in that call.</summary>
    public async Task PreconnectAsync(CancellationToken cancellationToken = default) =>
        Release(await ConnectAsync(cancellationToken).ConfigureAwait(false), reusable: true);

    /// <summary>A bare connection to the daemon, for a caller that speaks HTTP itself.</summary>
    public async Task<DuplexStream> DialAsync(CancellationToken cancellationToken = default) =>
        (await ConnectAsync(cancellationToken).ConfigureAwait(false)).Stream;

    /// <summary>GET that returns the answer as a JSON document.</summary>
    public async Task<JsonDocument> GetDocumentAsync(EngineRequest request, CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        return await response.ReadDocumentAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A call whose answer is of type <typeparamref name="T"/>.</summary>
    public async Task<T> SendAsync<T>(EngineRequest request, JsonTypeInfo<T> answer, CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        return await response.ReadAsync(answer, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A call whose answer has no content of interest.</summary>
    public async Task ExecuteAsync(EngineRequest request, CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        await response.ReadAllAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            while (_idle.TryPop(out var connection))
            {
                connection.Dispose();
            }
        }
    }

    /// <summary>JSON without the detour over metadata where the generator made a direct writer: a command's time counts in milliseconds.</summary>
    internal static ReadOnlyMemory<byte> Json<T>(T value, JsonTypeInfo<T> type) =>
        Json(value, type.SerializeHandler ?? ((writer, body) => JsonSerializer.Serialize(writer, body, type)));

    private static ReadOnlyMemory<byte> Json<T>(T value, Action<Utf8JsonWriter, T> write)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(1024);
        using var writer = new Utf8JsonWriter(buffer, PlainJson.Options with { SkipValidation = true });
        write(writer, value);
        writer.Flush();
        return buffer.WrittenMemory;
    }

    private static EngineRequest JsonRequest<T>(string method, string path, T body, JsonTypeInfo<T> type) =>
        new(method, path) { Body = Json(body, type), ContentType = "application/json" };

    private static EngineRequest JsonRequest<T>(string method, string path, T body, Action<Utf8JsonWriter, T> write) =>
        new(method, path) { Body = Json(body, write), ContentType = "application/json" };

    private async Task<(ResponseHead Head, ResponseBody Body)> ExchangeAsync(EngineRequest request, CancellationToken cancellationToken)
    {
        while (true)
        {
            var connection = Take() ?? await ConnectAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                var head = request.BodyStream is null
                    ? await ExchangeHeadsAsync(connection, request, cancellationToken).ConfigureAwait(false)
                    : await SendWhileReadingAsync(connection, request, cancellationToken).ConfigureAwait(false);
                var hasBody = request.Method != "HEAD" && head.Status is not (204 or 304);
                return (head, new ResponseBody(connection, head, hasBody, request.BodyStream is null ? Release : Close));
            }
            catch (IOException e) when (connection.Reused && request.BodyStream is null && e is not EngineConnectionException)
            {
                // The daemon closed the idle connection (restart, timeout): once more on a fresh one.
                connection.Dispose();
            }
            catch (IOException e) when (e is not EngineConnectionException)
            {
                connection.Dispose();
                throw new EngineConnectionException($"error during connect: {request.Method} {request.Path}: {e.Message}", e);
            }
            catch
            {
                connection.Dispose();
                throw;
            }
        }
    }

    private async Task<ResponseHead> ExchangeHeadsAsync(HttpConnection connection, EngineRequest request, CancellationToken cancellationToken)
    {
        await connection.SendAsync(Head(request, upgrade: false), request.Body, cancellationToken).ConfigureAwait(false);
        return await connection.ReadHeadAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The daemon may answer (progress, or an error) while the body is still on its way, and must not be kept from it by a full socket.</summary>
    private async Task<ResponseHead> SendWhileReadingAsync(HttpConnection connection, EngineRequest request, CancellationToken cancellationToken)
    {
        await connection.SendAsync(Head(request, upgrade: false), default, cancellationToken).ConfigureAwait(false);
        Exception? source = null;
        var sending = Task.Run(
            async () =>
            {
                try
                {
                    await connection.SendChunkedAsync(new FaultRecordingStream(request.BodyStream!, e => source = e), cancellationToken).ConfigureAwait(false);
                }
                catch (Exception) when (source is not null)
                {
                    // What was to be sent cannot be read: the daemon must not take the part for the whole.
                    connection.Stream.Abort();
                }
                catch (IOException)
                {
                    // The daemon stopped listening; its answer says why.
                }
            },
            cancellationToken);
        try
        {
            return await connection.ReadHeadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException) when (source is not null)
        {
            throw new IOException(source.Message, source);
        }
        finally
        {
            if (sending.IsCompleted)
            {
                await sending.ConfigureAwait(false);
            }
        }
    }

    private async Task<bool> RetryWithOlderVersionAsync(
        ResponseHead head, ResponseBody body, EngineRequest request, CancellationToken cancellationToken)
    {
        string message;
        using (var response = new EngineResponse(head, body))
        {
            message = ErrorMessage(await response.ReadAllAsync(MaximumError, cancellationToken).ConfigureAwait(false), head.Status, request);
        }

        if (head.Status == 400 && !_versionConfirmed && !request.Unversioned && message.Contains("is too new", StringComparison.Ordinal))
        {
            var refused = _version;
            await NegotiateAsync(cancellationToken).ConfigureAwait(false);
            if (_version != refused)
            {
                return true;
            }
        }

        throw new EngineApiException(head.Status, message);
    }

    private async Task NegotiateAsync(CancellationToken cancellationToken)
    {
        var (head, body) = await ExchangeAsync(new EngineRequest("HEAD", "/_ping") { Unversioned = true }, cancellationToken).ConfigureAwait(false);
        body.Dispose();
        var theirs = head["Api-Version"] is { Length: > 0 } version ? version : "1.24";
        _version = CompareVersions(theirs, NewestApiVersion) < 0 ? theirs : NewestApiVersion;
        _versionConfirmed = true;
    }

    /// <summary>Orders <c>major.minor</c> versions by number.</summary>
    public static int CompareVersions(string left, string right)
    {
        static (int Major, int Minor) Split(string version)
        {
            var dot = version.IndexOf('.');
            return dot > 0
                && int.TryParse(version.AsSpan(0, dot), NumberStyles.None, CultureInfo.InvariantCulture, out var major)
                && int.TryParse(version.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var minor)
                ? (major, minor)
                : (0, 0);
        }

        return Split(left).CompareTo(Split(right));
    }

    private static string ErrorMessage(ReadOnlyMemory<byte> body, int status, EngineRequest request)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("message", out var message)
                && message.GetString() is { Length: > 0 } text)
            {
                return text.Trim();
            }
        }
        catch (JsonException)
        {
            // Plain text, as proxies and very old daemons answer.
        }

        var plain = Encoding.UTF8.GetString(body.Span).Trim();
        return plain.Length > 0 ? plain : $"request returned HTTP {status} for {request.Method} {request.Path}";
    }

    private string Head(EngineRequest request, bool upgrade)
    {
        var head = new StringBuilder(256);
        head.Append(request.Method).Append(' ').Append(options.Endpoint.Kind == EndpointKind.Tcp ? options.Endpoint.Path : "");
        if (!request.Unversioned)
        {
            head.Append("/v").Append(_version);
        }

        head.Append(request.Path);
        if (request.Query.Length > 0)
        {
            head.Append('?').Append(request.Query);
        }

        // A name that resolves nowhere: over a unix socket the host means nothing, and must not be taken for a browser's.
        head.Append(" HTTP/1.1\r\nHost: ")
            .Append(options.Endpoint.Kind == EndpointKind.Tcp ? $"{options.Endpoint.Host}:{options.Endpoint.Port}" : "api.moby.localhost")
            .Append("\r\nUser-Agent: ").Append(options.UserAgent).Append("\r\n");
        foreach (var (name, value) in options.Headers.Concat(request.Headers))
        {
            head.Append(name).Append(": ").Append(value.ReplaceLineEndings(" ")).Append("\r\n");
        }

        if (upgrade)
        {
            head.Append("Connection: Upgrade\r\nUpgrade: tcp\r\n");
        }

        if (request.ContentType is { } type)
        {
            head.Append("Content-Type: ").Append(type).Append("\r\n");
        }

        if (request.BodyStream is not null)
        {
            head.Append("Transfer-Encoding: chunked\r\n");
        }
        else if (request.Body.Length > 0 || request.Method is "POST" or "PUT")
        {
            head.Append("Content-Length: ").Append(request.Body.Length).Append("\r\n");
        }

        return head.Append("\r\n").ToString();
    }

    private async Task<HttpConnection> ConnectAsync(CancellationToken cancellationToken) =>
        new(await Transport.ConnectAsync(options.Endpoint, options.BlockingIo, options.ConnectTimeout, cancellationToken).ConfigureAwait(false));

    private HttpConnection? Take()
    {
        lock (_lock)
        {
            return _idle.TryPop(out var connection) ? connection : null;
        }
    }

    private void Release(HttpConnection connection, bool reusable)
    {
        if (!reusable || connection.Buffered.Length > 0)
        {
            connection.Dispose();
            return;
        }

        connection.Reused = true;
        lock (_lock)
        {
            _idle.Push(connection);
        }
    }

    private static void Close(HttpConnection connection, bool reusable) => connection.Dispose();
}
