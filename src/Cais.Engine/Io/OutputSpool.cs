using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Engine.Io;

/// <summary>
/// Bytes that wait for one who does not take them yet: first in memory, then in a file without a name, which is gone with its descriptor. First in, first
/// out. Not safe for use by two at once.
/// </summary>
internal sealed class OutputSpool(string directory) : IDisposable
{
    private const int InMemory = 1 << 20;

    private readonly Queue<byte[]> _memory = new();
    private int _taken;
    private long _inMemory;
    private FileDescriptor? _file;
    private long _written;
    private long _read;

    /// <summary>How many bytes wait.</summary>
    public long Length => _inMemory + _written - _read;

    /// <summary>Puts bytes behind those that wait. Throws <see cref="LinuxException"/> when the disk cannot hold them.</summary>
    public void Add(ReadOnlySpan<byte> header, ReadOnlySpan<byte> bytes)
    {
        // Once the file is begun, memory only gets what is older.
        if (_file is null && _inMemory + header.Length + bytes.Length <= InMemory)
        {
            _memory.Enqueue([.. header, .. bytes]);
            _inMemory += header.Length + bytes.Length;
            return;
        }

        _file ??= OpenFile(directory);
        Write(header);
        Write(bytes);
    }

    /// <summary>Takes the oldest bytes; 0 when none wait.</summary>
    public int Take(Span<byte> to)
    {
        if (_memory.TryPeek(out var block))
        {
            var count = Math.Min(to.Length, block.Length - _taken);
            block.AsSpan(_taken, count).CopyTo(to);
            _taken += count;
            _inMemory -= count;
            if (_taken == block.Length)
            {
                _memory.Dequeue();
                _taken = 0;
            }

            return count;
        }

        if (_file is null)
        {
            return 0;
        }

        var read = FileAt.Read(_file.Number, to[..(int)Math.Min(to.Length, _written - _read)], _read);
        if (read < 0)
        {
            throw new LinuxException((Errno)(-read), "read output that waits for its client");
        }

        _read += read;
        if (_read == _written)
        {
            _file.Dispose();
            _file = null;
            _read = _written = 0;
        }

        return read;
    }

    public void Dispose() => _file?.Dispose();

    private static FileDescriptor OpenFile(string directory)
    {
        try
        {
            return Files.Open(directory, OpenFlags.ReadWrite | OpenFlags.TemporaryFile, 0b110_000_000);
        }
        catch (LinuxException e) when (e.Errno is Errno.EOPNOTSUPP or Errno.EISDIR)
        {
            // Not every file system has files without a name.
            var path = Path.Combine(directory, "." + RandomId.New());
            var file = Files.Open(path, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive, 0b110_000_000);
            Files.Unlink(path);
            return file;
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        var result = FileAt.Write(_file!.Number, bytes, _written);
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), "keep output that waits for its client");
        }

        _written += bytes.Length;
    }
}
