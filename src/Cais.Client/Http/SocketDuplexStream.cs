using System.Net.Sockets;

namespace Cais.Client.Http;

/// <summary>
/// A connected socket. In blocking mode the asynchronous methods finish before they return: a command line client that does one thing
/// at a time then needs neither the thread pool nor the event loop, which would cost it a tenth of its life.
/// </summary>
internal sealed class SocketDuplexStream(Socket socket, bool blocking) : DuplexStream
{
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return socket.Receive(buffer, SocketFlags.None);
        }
        catch (SocketException e)
        {
            throw new IOException(Describe(e, "read"), e);
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                buffer = buffer[socket.Send(buffer, SocketFlags.None)..];
            }
        }
        catch (SocketException e)
        {
            throw new IOException(Describe(e, "write"), e);
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (blocking)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var registration = cancellationToken.UnsafeRegister(static s => ((SocketDuplexStream)s!).Abort(), this);
            try
            {
                var read = Read(buffer.Span);
                if (read == 0)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                }

                return read;
            }
            catch (IOException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }

        try
        {
            return await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw new IOException(Describe(e, "read"), e);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (blocking)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Write(buffer.Span);
            return;
        }

        try
        {
            while (!buffer.IsEmpty)
            {
                buffer = buffer[await socket.SendAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
            }
        }
        catch (SocketException e)
        {
            throw new IOException(Describe(e, "write"), e);
        }
    }

    public override void CompleteWrites()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The peer is gone already: it knows that nothing more comes.
        }
        catch (ObjectDisposedException)
        {
        }
    }

    public override void Abort()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
        }
        catch (ObjectDisposedException)
        {
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            socket.Dispose();
        }

        base.Dispose(disposing);
    }

    private static string Describe(SocketException e, string operation) =>
        $"{operation}: {Transport.Reason(e)}";
}
