using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using Cais.BuildKit.Grpc;
using Fsutil.Types;
using Google.Protobuf;
using Moby.Buildkit.V1;
using PacketType = Fsutil.Types.Packet.Types.PacketType;

namespace Cais.BuildKit.Tests.Protocol;

/// <summary>A client of BuildKit's API that can do what well-behaved ones do not: calls by HTTP/2 on the daemon's socket, and a session that serves a few files.</summary>
internal sealed class OwnClient : IAsyncDisposable
{
    private readonly string _socket;
    private readonly IReadOnlyDictionary<string, string> _files;
    private readonly GrpcServer _services;
    private Socket? _session;
    private Task _serving = Task.CompletedTask;

    public OwnClient(string socket, IReadOnlyDictionary<string, string> files)
    {
        (_socket, _files) = (socket, files);
        Channel = new GrpcChannel(new NetworkStream(Connect(), ownsSocket: true));
        _services = new GrpcServer((_, _) => { }, _ => Task.CompletedTask);
        _services.Map("/moby.filesync.v1.FileSync/DiffCopy", SendFilesAsync);
    }

    public string SessionId { get; } = Guid.NewGuid().ToString("N");

    public GrpcChannel Channel { get; }

    public Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(_socket));
        return socket;
    }

    /// <summary>Opens the session; gives the head of the daemon's answer.</summary>
    public async Task<string> OpenSessionAsync()
    {
        _session = Connect();
        var stream = new NetworkStream(_session, ownsSocket: true);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            "POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            + $"X-Docker-Expose-Session-Uuid: {SessionId}\r\nX-Docker-Expose-Session-Name: test\r\nX-Docker-Expose-Session-Sharedkey: {SessionId}\r\n"
            + "X-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.FileSync/DiffCopy\r\n\r\n"));
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one) == 1)
        {
            head.Append((char)one[0]);
        }

        _serving = _services.ServeAsync(new Duplex(PipeReader.Create(stream), PipeWriter.Create(stream)), CancellationToken.None);
        return head.ToString();
    }

    /// <summary>The session's connection breaks, without a word.</summary>
    public void LoseSession() => _session!.Dispose();

    public GrpcClientCall Begin(string method, CancellationToken cancellation = default) => Channel.Begin("/moby.buildkit.v1.Control/" + method, null, cancellation);

    public Task<SolveResponse> SolveAsync(string reference, CancellationToken cancellation = default) => Channel.CallAsync(
        "/moby.buildkit.v1.Control/Solve",
        new SolveRequest { Ref = reference, Session = SessionId, Frontend = "dockerfile.v0" },
        SolveResponse.Parser,
        cancellation);

    /// <summary>What a build says until <paramref name="enough"/> of it is there.</summary>
    public async Task<StatusResponse> StatusUntilAsync(string reference, Func<StatusResponse, bool> enough)
    {
        using var call = Begin("Status");
        await call.SendAsync(new StatusRequest { Ref = reference });
        await call.FinishSendingAsync();
        var all = new StatusResponse();
        while (!enough(all) && await call.ReadAsync(StatusResponse.Parser) is { } more)
        {
            all.MergeFrom(more);
        }

        return all;
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        _session?.Dispose();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _services.DisposeAsync();
    }

    private async Task SendFilesAsync(GrpcCall call)
    {
        var names = _files.Keys.Order(StringComparer.Ordinal).ToList();
        foreach (var name in names)
        {
            await call.SendAsync(new Packet { Stat = new Stat { Path = name, Mode = 0x1A4, Size = _files[name].Length, ModTime = 1 } }, call.Canceled);
        }

        await call.SendAsync(new Packet(), call.Canceled);
        var reader = call.Reader(Packet.Parser);
        while (await reader.ReadAsync(call.Canceled) is { } packet)
        {
            if (packet.Type == PacketType.PacketFin)
            {
                await call.SendAsync(packet, call.Canceled);
                return;
            }

            await call.SendAsync(new Packet { Type = PacketType.PacketData, ID = packet.ID, Data = ByteString.CopyFromUtf8(_files[names[(int)packet.ID]]) }, call.Canceled);
            await call.SendAsync(new Packet { Type = PacketType.PacketData, ID = packet.ID }, call.Canceled);
        }
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
