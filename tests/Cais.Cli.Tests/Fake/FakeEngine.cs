using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Cais.Cli.Tests.Fake;

/// <summary>What a client asked of the <see cref="FakeEngine"/>. The path has no version in front.</summary>
internal sealed record FakeRequest(string Method, string Path, string Query, string Body, IReadOnlyDictionary<string, string> Headers)
{
    public override string ToString() => $"{Method} {Path}{(Query.Length > 0 ? "?" + Query : "")}";
}

/// <summary>What it answers: a body, or a raw conversation after the upgrade.</summary>
internal sealed record FakeResponse(int Status, string Body, string ContentType = "application/json")
{
    public Action<Stream>? Hijack { get; init; }

    /// <summary>Runs before the body is sent, the head being on its way: for answers that wait for something.</summary>
    public Action? BeforeBody { get; init; }
}

/// <summary>An Engine API server with answers given in advance, on a unix socket, that remembers what it was asked.</summary>
internal sealed class FakeEngine : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-fake-").FullName;
    private readonly List<(string Method, string Path, Func<FakeRequest, FakeResponse> Answer)> _routes = [];
    private readonly ConcurrentQueue<FakeRequest> _requests = new();
    private readonly string _apiVersion;

    public FakeEngine(string apiVersion = "1.50")
    {
        _apiVersion = apiVersion;
        SocketPath = Path.Combine(_directory, "e.sock");
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen(64);
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public string SocketPath { get; }

    /// <summary>Newest version that is accepted in paths; null accepts all.</summary>
    public string? MaximumVersion { get; init; }

    /// <summary>Everything but pings.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests.Where(static r => r.Path != "/_ping")];

    public FakeEngine On(string method, string path, Func<FakeRequest, FakeResponse> answer)
    {
        _routes.Add((method, path, answer));
        return this;
    }

    public FakeEngine On(string method, string path, int status, string body = "", string contentType = "application/json") =>
        On(method, path, _ => new FakeResponse(status, body, contentType));

    public void Forget() => _requests.Clear();

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private void Accept()
    {
        while (true)
        {
            try
            {
                var socket = _listener.Accept();
                new Thread(() => Serve(socket)) { IsBackground = true }.Start();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void Serve(Socket socket)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            while (ReadRequest(stream) is var (request, version) && request is not null)
            {
                _requests.Enqueue(request);
                var answer = Answer(request, version);
                if (answer.Hijack is { } hijack)
                {
                    stream.Write(Encoding.ASCII.GetBytes(
                        $"HTTP/1.1 101 UPGRADED\r\nContent-Type: {answer.ContentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
                    hijack(stream);
                    return;
                }

                WriteAnswer(stream, request, answer);
            }
        }
        catch (IOException)
        {
            // The client went away, as clients do.
        }
    }

    private void WriteAnswer(NetworkStream stream, FakeRequest request, FakeResponse answer)
    {
        var body = Encoding.UTF8.GetBytes(answer.Body);
        var head = $"HTTP/1.1 {answer.Status} X\r\nApi-Version: {_apiVersion}\r\nOstype: linux\r\nServer: Docker/28.2.2 (linux)\r\n"
            + $"Content-Type: {answer.ContentType}\r\n";
        if (answer.BeforeBody is { } wait)
        {
            stream.Write(Encoding.ASCII.GetBytes(head + "Transfer-Encoding: chunked\r\n\r\n"));
            wait();
            stream.Write(Encoding.ASCII.GetBytes($"{body.Length:x}\r\n"));
            stream.Write(body);
            stream.Write("\r\n0\r\n\r\n"u8);
            return;
        }

        head += answer.Status == 204 ? "\r\n" : string.Create(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n\r\n");
        stream.Write([.. Encoding.ASCII.GetBytes(head), .. request.Method == "HEAD" || answer.Status == 204 ? [] : body]);
    }

    private FakeResponse Answer(FakeRequest request, string? version)
    {
        if (request.Path == "/_ping")
        {
            return new FakeResponse(200, "OK", "text/plain");
        }

        if (MaximumVersion is { } maximum && version is not null && Client.EngineClient.CompareVersions(version, maximum) > 0)
        {
            return Error(400, $"client version {version} is too new. Maximum supported API version is {maximum}");
        }

        foreach (var (method, path, answer) in _routes)
        {
            if (method == request.Method && (path == request.Path || (path.EndsWith('*') && request.Path.StartsWith(path[..^1], StringComparison.Ordinal))))
            {
                return answer(request);
            }
        }

        return Error(404, "page not found");
    }

    public static FakeResponse Error(int status, string message) =>
        new(status, "{\"message\":\"" + System.Text.Json.JsonEncodedText.Encode(message) + "\"}\n");

    private static (FakeRequest? Request, string? Version) ReadRequest(NetworkStream stream)
    {
        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            var b = stream.ReadByte();
            if (b < 0)
            {
                return (null, null);
            }

            head.Append((char)b);
        }

        var lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var words = lines[0].Split(' ');
        var headers = lines.Skip(1).Select(static l => l.Split(':', 2)).ToLookup(static p => p[0], static p => p[1].Trim(), StringComparer.OrdinalIgnoreCase)
            .ToDictionary(static g => g.Key, static g => g.First(), StringComparer.OrdinalIgnoreCase);
        var target = words[1].Split('?', 2);
        string? version = null;
        var path = target[0];
        if (path.StartsWith("/v1.", StringComparison.Ordinal))
        {
            var slash = path.IndexOf('/', 1);
            version = path[2..slash];
            path = path[slash..];
        }

        return (new FakeRequest(words[0], path, target.Length > 1 ? target[1] : "", ReadBody(stream, headers), headers), version);
    }

    private static string ReadBody(NetworkStream stream, Dictionary<string, string> headers)
    {
        if (headers.TryGetValue("Transfer-Encoding", out var encoding) && encoding == "chunked")
        {
            var body = new MemoryStream();
            while (true)
            {
                var size = int.Parse(ReadLine(stream), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                body.Write(ReadExactly(stream, size));
                ReadLine(stream);
                if (size == 0)
                {
                    return Encoding.UTF8.GetString(body.ToArray());
                }
            }
        }

        return headers.TryGetValue("Content-Length", out var length)
            ? Encoding.UTF8.GetString(ReadExactly(stream, int.Parse(length, CultureInfo.InvariantCulture)))
            : "";
    }

    private static string ReadLine(NetworkStream stream)
    {
        var line = new StringBuilder();
        while (stream.ReadByte() is >= 0 and not '\n' and var b)
        {
            line.Append((char)b);
        }

        return line.ToString().TrimEnd('\r');
    }

    private static byte[] ReadExactly(NetworkStream stream, int count)
    {
        var buffer = new byte[count];
        stream.ReadExactly(buffer);
        return buffer;
    }
}
