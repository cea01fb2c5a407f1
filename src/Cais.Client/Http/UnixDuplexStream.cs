using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Client.Http;

/// <summary>
/// A connected unix socket in blocking mode, where <see cref="SocketDuplexStream"/> says why: straight on the descriptor, because the first
/// object of .NET's own socket class starts an event loop and its thread, used or not.
/// </summary>
internal sealed class UnixDuplexStream(FileDescriptor socket) : DuplexStream
{
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return Descriptors.TryRead(socket, buffer);
        }
        catch (LinuxException e)
        {
            throw new IOException($"read: {e.Errno.Describe()}", e);
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
                buffer = buffer[Descriptors.TryWrite(socket, buffer)..];
            }
        }
        catch (LinuxException e)
        {
            throw new IOException($"write: {e.Errno.Describe()}", e);
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var registration = cancellationToken.UnsafeRegister(static s => ((UnixDuplexStream)s!).Abort(), this);
        try
        {
            var read = Read(buffer.Span);
            if (read == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            return ValueTask.FromResult(read);
        }
        catch (IOException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void CompleteWrites() => ShutDown(UnixSocket.ShutdownWrite);

    public override void Abort() => ShutDown(UnixSocket.Shutdown);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            socket.Dispose();
        }

        base.Dispose(disposing);
    }

    private void ShutDown(Action<FileDescriptor> how)
    {
        try
        {
            how(socket);
        }
        catch (ObjectDisposedException)
        {
            // Closed already, by whoever used it last.
        }
    }
}
