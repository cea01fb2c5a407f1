using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Cais.Oci;

/// <summary>
/// JSON as other engines write it: <c>+</c>, quotes and letters beyond ASCII stand as they are, so that scripts which look for <c>vnd.oci.image.manifest.v1+json</c>
/// find it. .NET's own default escapes whatever could matter inside of HTML.
/// </summary>
public static class PlainJson
{
    /// <summary>For documents and answers: no white space.</summary>
    public static JsonWriterOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A value as UTF-8.</summary>
    public static byte[] Bytes<T>(T value, JsonTypeInfo<T> type)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        Write(buffer, value, type);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Appends a value as UTF-8.</summary>
    public static void Write<T>(IBufferWriter<byte> buffer, T value, JsonTypeInfo<T> type)
    {
        ArgumentNullException.ThrowIfNull(type);
        using var writer = new Utf8JsonWriter(buffer, Options);
        if (type.SerializeHandler is { } direct)
        {
            direct(writer, value); // without the detour over metadata
        }
        else
        {
            JsonSerializer.Serialize(writer, value, type);
        }
    }
}
