using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cais.Images.Tests.Registry;

/// <summary>What to do to one answer.</summary>
public sealed record Fault
{
    /// <summary>Answer with this status instead.</summary>
    public int? Status { get; init; }

    /// <summary>Extra header lines of the answer instead.</summary>
    public string Headers { get; init; } = "";

    /// <summary>Close the connection after so many bytes of the body.</summary>
    public long? CutAfter { get; init; }

    /// <summary>Flip a bit of this byte of the body.</summary>
    public long? FlipAt { get; init; }

    /// <summary>Answer 200 with everything although a range was asked for.</summary>
    public bool IgnoreRange { get; init; }

    /// <summary>Pass on only so many bytes of the request's body, and break the connection to the registry and to the client.</summary>
    public long? CutRequestAfter { get; init; }

    /// <summary>Refuse (413) a request's body that is longer.</summary>
    public long? LargestBody { get; init; }

    /// <summary>Told how many bytes of the body were sent.</summary>
    public Action<long>? Seen { get; init; }

    /// <summary>Extra header lines of the registry's own answer.</summary>
    public string AddHeaders { get; init; } = "";

    /// <summary>Announce so many bytes more than there are.</summary>
    public long LieBy { get; init; }
}

/// <summary>An HTTP proxy in front of a registry that spoils answers as told. One request a connection, so that faults stay simple.</summary>
public sealed class FaultProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly string _upstream;

    /// <summary>Asked for every request: its method and path, and how often that was asked before.</summary>
    public Func<string, string, int, Fault?> Plan { get; set; } = (_, _, _) => null;

    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Files that are served besides the registry, by path.</summary>
    public ConcurrentDictionary<string, byte[]> Files { get; } = [];

    public FaultProxy(string upstream)
    {
        _upstream = upstream;
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Host => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public int Count(string start) => Requests.Count(r => r.StartsWith(start, StringComparison.Ordinal));

    public void Dispose()
    {
        _listener.Dispose();
        _http.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                // Elsewhere, for all of it may be done without a wait: a plan that holds one request must not keep the next from being accepted.
                var client = await _listener.AcceptTcpClientAsync();
                _ = Task.Run(() => ServeAsync(client));
            }
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await ServeOneAsync(client.GetStream());
            }
            catch (Exception e) when (e is IOException or HttpRequestException or ObjectDisposedException or InvalidOperationException)
            {
            }
        }
    }

    private async Task ServeOneAsync(NetworkStream stream)
    {
        var head = await ReadHeadAsync(stream);
        if (head.Length == 0 || head[0] == 0x16)
        {
            // TLS: not spoken here.
            return;
        }

        var lines = Encoding.Latin1.GetString(head).Split("\r\n");
        var (method, path) = (lines[0].Split(' ')[0], lines[0].Split(' ')[1]);
        var before = Requests.Count(r => r == $"{method} {path}");
        Requests.Enqueue($"{method} {path}");
        if (method == "CONNECT")
        {
            await TunnelAsync(stream);
            return;
        }

        if (path.StartsWith("http://", StringComparison.Ordinal))
        {
            // Asked as a proxy is.
            path = new Uri(path).PathAndQuery;
        }

        if (Files.TryGetValue(path, out var file))
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {file.Length}\r\nConnection: close\r\n\r\n"));
            await stream.WriteAsync(file);
            return;
        }

        var fault = Plan(method, path, before) ?? new Fault();
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri($"http://{_upstream}{path}"));
        long length = 0;
        string? contentRange = null;
        foreach (var line in lines.Skip(1).Where(l => l.Length > 0))
        {
            var (name, value) = (line[..line.IndexOf(':', StringComparison.Ordinal)], line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim());
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
            {
                length = long.Parse(value, System.Globalization.CultureInfo.InvariantCulture);
            }
            else if (name.Equals("Content-Range", StringComparison.OrdinalIgnoreCase))
            {
                contentRange = value;
            }
            else if (name.StartsWith("Accept", StringComparison.OrdinalIgnoreCase) || name.StartsWith("Auth", StringComparison.OrdinalIgnoreCase)
                || (name.Equals("Range", StringComparison.OrdinalIgnoreCase) && !fault.IgnoreRange))
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        var body = new byte[length];
        await stream.ReadExactlyAsync(body);
        if (fault.CutRequestAfter is { } cut && length > cut)
        {
            await PassOnPartAsync(head, body.AsMemory(0, (int)cut));
            return;
        }

        if ((fault.LargestBody < length ? 413 : fault.Status) is { } status)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} Faulty\r\n{fault.Headers}Content-Length: 0\r\nConnection: close\r\n\r\n"));
            return;
        }

        if (method is "POST" or "PUT" or "PATCH")
        {
            request.Content = new ByteArrayContent(body);
            var type = lines.FirstOrDefault(l => l.StartsWith("Content-Type:", StringComparison.OrdinalIgnoreCase));
            if (type is not null)
            {
                request.Content.Headers.ContentType = new(type["Content-Type:".Length..].Trim());
            }

            if (contentRange is not null)
            {
                request.Content.Headers.TryAddWithoutValidation("Content-Range", contentRange);
            }
        }

        using var answer = await _http.SendAsync(request);
        await AnswerAsync(stream, answer, fault, method);
    }

    /// <summary>Half a request, and then nothing: what a broken line looks like to the registry.</summary>
    private async Task PassOnPartAsync(byte[] head, ReadOnlyMemory<byte> part)
    {
        using var upstream = await ConnectAsync();
        await upstream.GetStream().WriteAsync(Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(head).Replace(Host, _upstream, StringComparison.Ordinal)));
        await upstream.GetStream().WriteAsync(part);
    }

    private async Task TunnelAsync(NetworkStream client)
    {
        using var upstream = await ConnectAsync();
        await client.WriteAsync("HTTP/1.1 200 Connection established\r\n\r\n"u8.ToArray());
        await Task.WhenAny(client.CopyToAsync(upstream.GetStream()), upstream.GetStream().CopyToAsync(client));
    }

    private async Task<TcpClient> ConnectAsync()
    {
        var upstream = new TcpClient();
        await upstream.ConnectAsync(IPEndPoint.Parse(_upstream));
        return upstream;
    }

    private async Task AnswerAsync(NetworkStream stream, HttpResponseMessage answer, Fault fault, string method)
    {
        var content = await answer.Content.ReadAsByteArrayAsync();
        var head = new StringBuilder($"HTTP/1.1 {(int)answer.StatusCode} X\r\nConnection: close\r\n");
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (name is not ("Content-Length" or "Connection" or "Transfer-Encoding"))
            {
                head.Append(name).Append(": ").AppendJoin(", ", values.Select(v => v.Replace(_upstream, Host, StringComparison.Ordinal))).Append("\r\n");
            }
        }

        var announced = method == "HEAD" ? answer.Content.Headers.ContentLength ?? 0 : content.Length + fault.LieBy;
        head.Append(fault.AddHeaders);
        head.Append("Content-Length: ").Append(announced).Append("\r\n\r\n");
        await stream.WriteAsync(Encoding.Latin1.GetBytes(head.ToString()));
        if (fault.FlipAt is { } flip && flip < content.Length)
        {
            content[flip] ^= 0x10;
        }

        fault.Seen?.Invoke(content.Length);
        await stream.WriteAsync(content.AsMemory(0, (int)Math.Min(content.Length, fault.CutAfter ?? long.MaxValue)));
    }

    private static async Task<byte[]> ReadHeadAsync(NetworkStream stream)
    {
        var head = new MemoryStream();
        var one = new byte[1];
        while (await stream.ReadAsync(one) > 0)
        {
            head.WriteByte(one[0]);
            if (one[0] == 0x16 && head.Length == 1)
            {
                break;
            }

            if (head.Length >= 4 && head.GetBuffer().AsSpan((int)head.Length - 4, 4).SequenceEqual("\r\n\r\n"u8))
            {
                break;
            }
        }

        return head.ToArray();
    }
}
