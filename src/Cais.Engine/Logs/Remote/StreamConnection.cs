using System.Net.Security;

namespace Cais.Engine.Logs.Remote;

/// <summary>A connection that is made when it is needed, and notices that the other side has gone before more is sent into the void.</summary>
internal sealed class StreamConnection(ReceiverAddress address, SslClientAuthenticationOptions? tls) : IDisposable
{
    private Stream? _stream;
    private Task? _closed;

    public async Task<Stream> Open(CancellationToken cancellation)
    {
        if (_closed is { IsCompleted: true })
        {
            Dispose();
        }

        return _stream ??= await address.ConnectStream(tls, cancellation).ConfigureAwait(false);
    }

    /// <summary>For receivers that never answer: what can be read is the end.</summary>
    public async Task<Stream> OpenOneWay(CancellationToken cancellation)
    {
        var stream = await Open(cancellation).ConfigureAwait(false);
        _closed ??= WaitForEnd(stream);
        return stream;
    }

    public void Dispose()
    {
        _stream?.Dispose();
        (_stream, _closed) = (null, null);
    }

    private static async Task WaitForEnd(Stream stream)
    {
        var scratch = new byte[256];
        try
        {
            while (await stream.ReadAsync(scratch).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The end too.
        }
    }
}
