using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Oci.Images;

/// <summary>
/// A content digest, <c>algorithm:hex</c>, of an algorithm this engine can verify (sha256 or sha512): what an image, a manifest or a layer
/// is called by its content (image-spec, descriptor.md, "Digests"). A value of this type is always well formed; only <c>default</c> is empty.
/// </summary>
[JsonConverter(typeof(DigestJsonConverter))]
public readonly record struct Digest : IComparable<Digest>
{
    private const string Sha256Prefix = "sha256:";
    private const string Sha512Prefix = "sha512:";
    private readonly string? _value;

    private Digest(string value) => _value = value;

    /// <summary>True for <c>default</c> only.</summary>
    public bool IsEmpty => _value is null;

    /// <summary><c>sha256</c> or <c>sha512</c>.</summary>
    public string Algorithm => _value is null ? "" : _value[..6];

    /// <summary>The hash in lower-case hexadecimal.</summary>
    public string Hex => _value is null ? "" : _value[7..];

    /// <summary>The first twelve hexadecimal digits, as Docker shows them.</summary>
    public string Short => _value is null ? "" : _value[7..19];

    public static Digest Parse(string value) =>
        TryParse(value, out var digest) ? digest : throw new ImageFormatException($"invalid digest \"{Shown.Of(value)}\"");

    public static bool TryParse([NotNullWhen(true)] string? value, out Digest digest)
    {
        digest = default;
        if (value is null || !IsWellFormed(value))
        {
            return false;
        }

        digest = new Digest(value);
        return true;
    }

    /// <summary>The digest with this sha256 hash in hexadecimal.</summary>
    public static Digest FromSha256Hex(string hex) => Parse(Sha256Prefix + hex);

    /// <summary>The digest of a finished SHA-256 computation.</summary>
    public static Digest FromSha256(ReadOnlySpan<byte> hash) => hash.Length == SHA256.HashSizeInBytes
        ? new Digest(Sha256Prefix + Convert.ToHexStringLower(hash))
        : throw new ArgumentException("a SHA-256 hash has 32 bytes", nameof(hash));

    /// <summary>The digest of a finished SHA-512 computation.</summary>
    public static Digest FromSha512(ReadOnlySpan<byte> hash) => hash.Length == SHA512.HashSizeInBytes
        ? new Digest(Sha512Prefix + Convert.ToHexStringLower(hash))
        : throw new ArgumentException("a SHA-512 hash has 64 bytes", nameof(hash));

    /// <summary>The sha256 digest of these bytes.</summary>
    public static Digest Of(ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content, hash);
        return FromSha256(hash);
    }

    /// <summary>Whether these bytes are what this digest names.</summary>
    public bool Matches(ReadOnlySpan<byte> content)
    {
        if (Algorithm != "sha512")
        {
            return Of(content) == this;
        }

        Span<byte> hash = stackalloc byte[SHA512.HashSizeInBytes];
        SHA512.HashData(content, hash);
        return FromSha512(hash) == this;
    }

    public int CompareTo(Digest other) => string.CompareOrdinal(_value, other._value);

    public override string ToString() => _value ?? "";

    public static bool operator <(Digest left, Digest right) => left.CompareTo(right) < 0;

    public static bool operator >(Digest left, Digest right) => left.CompareTo(right) > 0;

    public static bool operator <=(Digest left, Digest right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Digest left, Digest right) => left.CompareTo(right) >= 0;

    private static bool IsWellFormed(string value)
    {
        var expected = value.StartsWith(Sha256Prefix, StringComparison.Ordinal) ? 7 + 64
            : value.StartsWith(Sha512Prefix, StringComparison.Ordinal) ? 7 + 128
            : -1;
        return value.Length == expected && value.AsSpan(7).IndexOfAnyExcept("0123456789abcdef") < 0;
    }
}

internal sealed class DigestJsonConverter : JsonConverter<Digest>
{
    public override Digest Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        return Digest.TryParse(text, out var digest)
            ? digest
            : string.IsNullOrEmpty(text) ? default : throw new JsonException($"invalid digest \"{Shown.Of(text)}\"");
    }

    public override void Write(Utf8JsonWriter writer, Digest value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
