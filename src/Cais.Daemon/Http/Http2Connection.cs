using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Cais.Daemon.Http;

/// <summary>
/// Connection middleware: looks whether a client begins with HTTP/2's preface (RFC 9113, 3.4), as those do who know that the server speaks it, and hands such a
/// connection to <paramref name="serve"/>. All others go on as they were.
/// </summary>
internal sealed class Http2Connection(Func<IDuplexPipe, CancellationToken, Task> serve)
{
    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    public ConnectionDelegate Middleware(ConnectionDelegate next) => async connection =>
    {
        var input = connection.Transport.Input;
        bool? isHttp2 = null;
        while (isHttp2 is null)
        {
            var read = await input.ReadAsync();
            isHttp2 = BeginsLikePreface(read.Buffer, read.IsCompleted || read.IsCanceled);

            // Nothing is taken; only where more is needed to tell is what is there marked as seen.
            input.AdvanceTo(read.Buffer.Start, isHttp2 is null ? read.Buffer.End : read.Buffer.Start);
        }

        await (isHttp2.Value ? serve(connection.Transport, connection.ConnectionClosed) : next(connection));
    };

    /// <summary>Null if there is too little to tell. One or two bytes tell of every HTTP/1 request.</summary>
    internal static bool? BeginsLikePreface(ReadOnlySequence<byte> begin, bool isAll)
    {
        Span<byte> bytes = stackalloc byte[Preface.Length];
        var length = (int)Math.Min(begin.Length, bytes.Length);
        begin.Slice(0, length).CopyTo(bytes);
        if (!bytes[..length].SequenceEqual(Preface[..length]))
        {
            return false;
        }

        return length == Preface.Length ? true : isAll ? false : null;
    }
}
