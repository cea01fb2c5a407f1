using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Cais.Testing;

/// <summary>
/// A plugin by docker's protocol, written from its description alone: JSON over HTTP/1.1 on a unix socket or a TCP port. Remembers what it was asked.
/// </summary>
public sealed class FakePlugin : IDisposable
{
    private readonly Socket _listener;
    private readonly Func<string, JsonElement, string?> _answer;
    private readonly string? _path;
    private readonly ConcurrentBag<Socket> _clients = [];
    private string? _made;

    private FakePlugin(Socket listener, string? path, Func<string, JsonElement, string?> answer)
    {
        _listener = listener;
        _path = path;
        _answer = answer;
        _ = AcceptAll();
    }

    /// <summary>Everything it was asked, oldest first: the method and the body.</summary>
    public ConcurrentQueue<(string Method, JsonElement Body)> Asked { get; } = new();

    /// <summary>While true, it hears questions and does not answer.</summary>
    public bool Silent { get; set; }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>Starts one on a socket.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="kinds">What it implements.</param>
    /// <param name="answer">Answers a method; null is status 404. An answer that begins with <c>!</c> has status 500.</param>
    public static FakePlugin Start(string path, string[] kinds, Func<string, JsonElement, string?> answer)
    {
        var made = MakeFolder(Path.GetDirectoryName(path)!);
        File.Delete(path);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return new FakePlugin(listener, path, Activating(kinds, answer)) { _made = made };
    }

    /// <summary>Starts one on a port of the loopback address.</summary>
    public static FakePlugin StartTcp(string[] kinds, Func<string, JsonElement, string?> answer)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return new FakePlugin(listener, null, Activating(kinds, answer));
    }

    /// <summary>How often it was asked that.</summary>
    public int Count(string method) => Asked.Count(a => a.Method == method);

    /// <summary>The body of the last question of that method.</summary>
    public JsonElement Last(string method) => Asked.Last(a => a.Method == method).Body;

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var client in _clients)
        {
            client.Dispose();
        }

        if (_path is not null)
        {
            File.Delete(_path);
        }

        if (_made is not null)
        {
            Directory.Delete(_made, recursive: true);
        }
    }

    /// <summary>Makes a folder; gives the topmost one that was not there.</summary>
    private static string? MakeFolder(string path)
    {
        string? made = null;
        for (var folder = path; folder is not null && !Directory.Exists(folder); folder = Path.GetDirectoryName(folder))
        {
            made = folder;
        }

        Directory.CreateDirectory(path);
        return made;
    }

    private static Func<string, JsonElement, string?> Activating(string[] kinds, Func<string, JsonElement, string?> answer) => (method, body) =>
        method == "Plugin.Activate" ? $$"""{"Implements":[{{string.Join(',', kinds.Select(k => $"\"{k}\""))}}]}""" : answer(method, body);

    private async Task AcceptAll()
    {
        try
        {
            while (true)
            {
                _ = Serve(await _listener.AcceptAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task Serve(Socket client)
    {
        _clients.Add(client);
        using var stream = new NetworkStream(client, ownsSocket: true);
        var pending = new List<byte>();
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                int end;
                while ((end = Find(pending)) < 0)
                {
                    var count = await stream.ReadAsync(buffer);
                    if (count == 0)
                    {
                        return;
                    }

                    pending.AddRange(buffer[..count]);
                }

                var head = Encoding.ASCII.GetString([.. pending[..end]]).Split("\r\n");
                pending.RemoveRange(0, end + 4);
                var length = head.Select(l => l.Split(": ", 2)).Where(h => h[0].Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
                    .Select(h => int.Parse(h[1], CultureInfo.InvariantCulture)).FirstOrDefault();
                while (pending.Count < length)
                {
                    pending.AddRange(buffer[..await stream.ReadAsync(buffer)]);
                }

                byte[] body = [.. pending[..length]];
                pending.RemoveRange(0, length);
                await Answer(stream, head[0].Split(' ')[1].TrimStart('/'), body);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The engine hung up.
        }
    }

    private async Task Answer(NetworkStream stream, string method, byte[] body)
    {
        using var document = JsonDocument.Parse(body.Length == 0 ? "{}"u8.ToArray() : body);
        Asked.Enqueue((method, document.RootElement.Clone()));
        if (Silent)
        {
            return;
        }

        var answer = _answer(method, document.RootElement.Clone());
        var status = answer is null ? "404 Not Found" : answer.StartsWith('!') ? "500 Internal Server Error" : "200 OK";
        var text = Encoding.UTF8.GetBytes(answer?.TrimStart('!') ?? "404 page not found");
        var head = $"HTTP/1.1 {status}\r\nContent-Type: application/vnd.docker.plugins.v1.2+json\r\nContent-Length: {text.Length}\r\n\r\n";
        await stream.WriteAsync((byte[])[.. Encoding.ASCII.GetBytes(head), .. text]);
    }

    private static int Find(List<byte> pending)
    {
        for (var i = 0; i + 3 < pending.Count; i++)
        {
            if (pending[i] == '\r' && pending[i + 1] == '\n' && pending[i + 2] == '\r' && pending[i + 3] == '\n')
            {
                return i;
            }
        }

        return -1;
    }
}
