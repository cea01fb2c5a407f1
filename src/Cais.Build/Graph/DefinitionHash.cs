using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Cais.Oci.Images;

namespace Cais.Build.Graph;

/// <summary>
/// Hashes a definition field by field. Every field is written with its length, so that no two different definitions are the same bytes.
/// </summary>
internal sealed class DefinitionHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public DefinitionHash(string kind) => Add(kind);

    public DefinitionHash Add(string? value)
    {
        if (value is null)
        {
            return Add(-1);
        }

        var bytes = Encoding.UTF8.GetBytes(value);
        Add(bytes.Length);
        _hash.AppendData(bytes);
        return this;
    }

    public DefinitionHash Add(ReadOnlySpan<byte> value)
    {
        Add(value.Length);
        _hash.AppendData(value);
        return this;
    }

    public DefinitionHash Add(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _hash.AppendData(bytes);
        return this;
    }

    public DefinitionHash Add(bool value) => Add(value ? 1 : 0);

    public DefinitionHash Add(IReadOnlyCollection<string> values)
    {
        Add(values.Count);
        foreach (var value in values)
        {
            Add(value);
        }

        return this;
    }

    public DefinitionHash Add(Digest value) => Add(value.ToString());

    public Digest Finish()
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        _hash.GetHashAndReset(hash);
        return Digest.FromSha256(hash);
    }

    public void Dispose() => _hash.Dispose();
}
