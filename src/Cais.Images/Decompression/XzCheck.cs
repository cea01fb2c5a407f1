using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cais.Images.Decompression;

/// <summary>The checksums by which an xz file guards its content: none, CRC-32 (IEEE), CRC-64 (ECMA-182) or SHA-256.</summary>
internal sealed class XzCheck : IDisposable
{
    private static readonly ulong[] Table64 = [.. Enumerable.Range(0, 256).Select(i => Reflected((ulong)i))];

    private readonly int _type;
    private readonly IncrementalHash? _sha;
    private uint _crc32;
    private ulong _crc64 = ulong.MaxValue;

    public XzCheck(int type)
    {
        _type = type;
        _sha = type == 10 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    }

    /// <summary>Bytes that the check of each type takes (xz-file-format 2.1.1.2); those that nobody has defined are skipped.</summary>
    public int Size => _type == 0 ? 0 : 4 << ((_type - 1) / 3);

    public void Append(ReadOnlySpan<byte> data)
    {
        switch (_type)
        {
            case 1:
                _crc32 = Crc32.Append(_crc32, data);
                break;
            case 4:
                var crc = _crc64;
                foreach (var b in data)
                {
                    crc = Table64[(byte)crc ^ b] ^ (crc >> 8);
                }

                _crc64 = crc;
                break;
            case 10:
                _sha!.AppendData(data);
                break;
        }
    }

    /// <summary>Whether this is the check of what was appended, which begins anew.</summary>
    public bool Matches(ReadOnlySpan<byte> stored)
    {
        var (crc32, crc64) = (_crc32, ~_crc64);
        (_crc32, _crc64) = (0, ulong.MaxValue);
        return _type switch
        {
            1 => BinaryPrimitives.ReadUInt32LittleEndian(stored) == crc32,
            4 => BinaryPrimitives.ReadUInt64LittleEndian(stored) == crc64,
            10 => _sha!.GetHashAndReset().AsSpan().SequenceEqual(stored),
            _ => true,
        };
    }

    public void Dispose() => _sha?.Dispose();

    private static ulong Reflected(ulong value)
    {
        const ulong polynomial = 0xC96C5795D7870F42;
        for (var bit = 0; bit < 8; bit++)
        {
            value = ulong.IsOddInteger(value) ? (value >>> 1) ^ polynomial : value >>> 1;
        }

        return value;
    }
}
