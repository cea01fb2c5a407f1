using System.Security.Cryptography;
using Cais.Oci.Images;

namespace Cais.Images.Layers;

/// <summary>Passes through what is read and hashes it with SHA-256.</summary>
internal sealed class HashingStream(Stream inner) : ReadStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Bytes read so far.</summary>
    public long Count { get; private set; }

    public override int Read(Span<byte> buffer)
    {
        var n = inner.Read(buffer);
        _hash.AppendData(buffer[..n]);
        Count += n;
        return n;
    }

    /// <summary>The digest of all that was read. Only once.</summary>
    public Digest Finish()
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        _hash.GetHashAndReset(hash);
        return Digest.FromSha256(hash);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hash.Dispose();
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
