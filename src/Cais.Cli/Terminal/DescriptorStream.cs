using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Cais.Cli.Terminal;

/// <summary>
/// One of the three standard streams, read and written without the machinery of System.Console, whose start-up costs more than most
/// commands. Works whether or not the descriptor was made non-blocking by whoever shares it.
/// </summary>
internal sealed class DescriptorStream(int fd) : Stream
{
    public override bool CanRead => fd == 0;

    public override bool CanWrite => fd != 0;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override unsafe int Read(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var read = Posix.read(fd, start, (nuint)buffer.Length);
                if (read >= 0)
                {
                    return (int)read;
                }

                WaitOrThrow(Posix.POLLIN, "read");
            }
        }
    }

    public override unsafe void Write(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            var offset = 0;
            while (offset < buffer.Length)
            {
                var written = Posix.write(fd, start + offset, (nuint)(buffer.Length - offset));
                if (written >= 0)
                {
                    offset += (int)written;
                }
                else
                {
                    WaitOrThrow(Posix.POLLOUT, "write");
                }
            }
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Task.FromResult(Read(buffer.AsSpan(offset, count)));

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private unsafe void WaitOrThrow(short events, string operation)
    {
        var error = Marshal.GetLastPInvokeError();
        switch (error)
        {
            case Posix.EINTR:
                return;
            case Posix.EAGAIN:
                var descriptor = new Posix.PollFd { Fd = fd, Events = events };
                Posix.poll(&descriptor, 1, -1);
                return;
            case Posix.EPIPE:
                // The reader of our output has gone (`cais ps | head`). .NET ignores the signal that other programs die of; die of it.
                TerminalMode.RestoreAll();
                Posix.signal(Posix.SIGPIPE, 0);
                _ = Posix.raise(Posix.SIGPIPE);
                throw new IOException("broken pipe");
            default:
                throw new IOException($"{operation} {(fd == 0 ? "stdin" : fd == 1 ? "stdout" : "stderr")}: {new Win32Exception(error).Message}");
        }
    }
}
