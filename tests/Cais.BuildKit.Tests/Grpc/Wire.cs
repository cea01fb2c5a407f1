using System.IO.Pipelines;
using System.Net.Sockets;
using Cais.BuildKit.Grpc;

namespace Cais.BuildKit.Tests.Grpc;

/// <summary>A gRPC server and a client of it, over a pair of sockets.</summary>
internal sealed class Wire : IAsyncDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"wire-{Guid.NewGuid():N}"[..20]);
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly Task _serving;

    public Wire(Action<GrpcServer> map)
    {
        Server = new GrpcServer((path, e) => Failures.Add($"{path}: {e}"), http =>
        {
            http.Response.StatusCode = 415;
            return Task.CompletedTask;
        });
        map(Server);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_path));
        listener.Listen();
        _client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _client.Connect(new UnixDomainSocketEndPoint(_path));
        _server = listener.Accept();
        File.Delete(_path);
        var stream = new NetworkStream(_server, ownsSocket: true);
        _serving = Server.ServeAsync(new Duplex(PipeReader.Create(stream), PipeWriter.Create(stream)), CancellationToken.None);
        Channel = new GrpcChannel(ClientStream);
    }

    public GrpcServer Server { get; }

    public GrpcChannel Channel { get; }

    public List<string> Failures { get; } = [];

    private NetworkStream ClientStream => new(_client, ownsSocket: true);

    /// <summary>What a server that dies looks like.</summary>
    public void Cut() => _server.Dispose();

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Server.DisposeAsync();
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
