using System.Security.Cryptography;
using Cais.Images.Layers;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Images.Content;

/// <summary>
/// A blob on its way into the store: a temporary file that is hashed as it is written and that others may read while it grows, so that a layer
/// unpacks as it arrives without being held in memory. One writer, any number of readers, on different threads. Readers see the end only
/// once the digest has been verified.
/// </summary>
internal sealed class Ingest : IDisposable
{
    /// <summary>So much is written before the kernel is asked to start putting it on the disk: the final fsync then has little left to do.</summary>
    private const int WritebackStep = 8 * 1024 * 1024;

    private readonly FileDescriptor _file;
    private readonly IncrementalHash _hash;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _changed = new(0);
    private int _waiting;
    private long _length;
    private long _flushed;
    private Digest _actual;
    private bool _verified;
    private Exception? _failure;
    private bool _disposed;

    /// <summary>With <paramref name="keepContent"/> what the file has already counts as written. Throws <see cref="LinuxException"/>.</summary>
    public Ingest(string path, Digest expected, bool keepContent = false)
    {
        Path = path;
        Expected = expected;
        _hash = IncrementalHash.CreateHash(expected.Algorithm == "sha512" ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256);
        var fd = FileAt.Open(
            FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], FileAt.ReadWrite | FileAt.Create | (keepContent ? 0 : FileAt.Truncate), 0x180);
        _file = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"create {path}");
        if (keepContent)
        {
            TakeContent();
        }
    }

    /// <summary>Where the file is now.</summary>
    public string Path { get; private set; }

    /// <summary>What the content must hash to; empty if that is yet to be learned.</summary>
    public Digest Expected { get; }

    /// <summary>Bytes written so far.</summary>
    public long Length => Interlocked.Read(ref _length);

    /// <summary>Appends. Throws <see cref="LinuxException"/> (a full disk, for example).</summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        var result = FileAt.Write(_file.Number, data);
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"write {Path}");
        }

        _hash.AppendData(data);
        var length = _length + data.Length;
        Interlocked.Exchange(ref _length, length);
        Wake();
        if (length - _flushed >= WritebackStep)
        {
            FileAt.StartWriteback(_file.Number, _flushed, length - _flushed);
            _flushed = length;
        }
    }

    /// <summary>
    /// Everything has been written: checks length and digest, and lets readers see the end. Throws <see cref="ImageException"/> (DigestMismatch),
    /// which readers get too.
    /// </summary>
    public Digest Verify(long? expectedLength)
    {
        try
        {
            if (expectedLength is { } length && length != _length)
            {
                throw new ImageException(
                    ImageErrorKind.DigestMismatch, $"unexpected size: {Expected} has {_length} bytes, and {length} were announced");
            }

            Span<byte> hash = stackalloc byte[64];
            var hashLength = _hash.GetHashAndReset(hash);
            var actual = hashLength == 64 ? Digest.FromSha512(hash) : Digest.FromSha256(hash[..hashLength]);
            if (!Expected.IsEmpty && actual != Expected)
            {
                throw new ImageException(ImageErrorKind.DigestMismatch, $"filesystem layer verification failed for digest {Expected}: the content is {actual}");
            }

            _actual = actual;
            Volatile.Write(ref _verified, true);
            Wake();
            return actual;
        }
        catch (Exception e)
        {
            Fail(e);
            throw;
        }
    }

    /// <summary>Puts the content on the disk. Throws <see cref="LinuxException"/>.</summary>
    public void Sync()
    {
        var result = FileAt.SyncData(_file.Number);
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"sync {Path}");
        }
    }

    /// <summary>Nothing more will come: readers get this error once they have read what there is.</summary>
    public void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
        }

        Wake();
    }

    /// <summary>A reader from the start. It stays valid, and another may be opened, after this object is disposed of and the file has its final name.</summary>
    public Stream OpenReader()
    {
        lock (_gate)
        {
            var fd = FileAt.Open(FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(Path), 0], FileAt.ReadOnly);
            return fd >= 0 ? new Follower(this, new FileDescriptor(fd)) : throw new LinuxException((Errno)(-fd), $"open {Path}");
        }
    }

    /// <summary>Gives the file its final name; the result is the one it had.</summary>
    public string MoveTo(string path)
    {
        lock (_gate)
        {
            var before = Path;
            File.Move(before, path, overwrite: true);
            Path = path;
            return before;
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (!_verified)
        {
            Fail(new IOException("the transfer was abandoned"));
        }

        _file.Dispose();
        _hash.Dispose();
    }

    /// <summary>Hashes what is there, and leaves the file's position at its end.</summary>
    private void TakeContent()
    {
        var buffer = new byte[256 * 1024];
        try
        {
            for (int n; (n = FileAt.Read(_file.Number, buffer, _length)) != 0; _length += n)
            {
                if (n < 0)
                {
                    throw new LinuxException((Errno)(-n), $"read {Path}");
                }

                _hash.AppendData(buffer.AsSpan(0, n));
            }

            var end = FileAt.Seek(_file.Number, _length);
            _flushed = end >= 0 ? _length : throw new LinuxException((Errno)(-end), $"seek in {Path}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private void Wake()
    {
        var waiting = Interlocked.Exchange(ref _waiting, 0);
        if (waiting > 0)
        {
            _changed.Release(waiting);
        }
    }

    /// <summary>Waits until there is something at <paramref name="position"/>. False at the verified end; throws what the writer failed with.</summary>
    private bool WaitFor(long position)
    {
        while (true)
        {
            if (Length > position)
            {
                return true;
            }

            // Announce first, look again, then wait: a change in between releases the semaphore.
            Interlocked.Increment(ref _waiting);
            lock (_gate)
            {
                if (_failure is not null)
                {
                    throw _failure is ImageException known
                        ? new ImageException(known.Kind, known.Message, known)
                        : new IOException(_failure.Message, _failure);
                }
            }

            if (Length > position)
            {
                return true;
            }

            if (Volatile.Read(ref _verified))
            {
                return false;
            }

            _changed.Wait();
        }
    }

    private sealed class Follower(Ingest ingest, FileDescriptor file) : ReadStream
    {
        private long _position;

        public override bool WillKnowDigest => ingest.Expected.IsEmpty || ingest.Expected.Algorithm == "sha256";

        /// <summary>The writer's own hash: nobody needs to compute it again.</summary>
        public override Digest? KnownDigest => Volatile.Read(ref ingest._verified) && ingest._actual.Algorithm == "sha256" ? ingest._actual : null;

        public override int Read(Span<byte> buffer)
        {
            if (buffer.IsEmpty || !ingest.WaitFor(_position))
            {
                return 0;
            }

            var n = FileAt.Read(file.Number, buffer[..(int)Math.Min(buffer.Length, ingest.Length - _position)], _position);
            if (n <= 0)
            {
                throw new LinuxException(n == 0 ? Errno.EIO : (Errno)(-n), $"read {ingest.Path}");
            }

            _position += n;
            return n;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                file.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
