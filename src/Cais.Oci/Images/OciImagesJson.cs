using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Cais.Oci.Images;

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Manifest))]
[JsonSerializable(typeof(Index))]
[JsonSerializable(typeof(ImageConfig))]
[JsonSerializable(typeof(Descriptor))]
public sealed partial class OciImagesJson : JsonSerializerContext;

/// <summary>Reading of documents that others wrote.</summary>
internal static class Json
{
    private static readonly JsonReaderOptions Strict = new() { MaxDepth = 64 };

    public static T Parse<T>(ReadOnlySpan<byte> json, int largest, JsonTypeInfo<T> type, string what)
    {
        if (json.Length > largest)
        {
            throw new ImageFormatException($"{what} is {json.Length} bytes long, more than the {largest} that are accepted");
        }

        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new ImageFormatException($"{what} is null");
        }
        catch (JsonException e)
        {
            throw new ImageFormatException($"{what} is not valid JSON of its kind: {e.Message}", e);
        }
    }

    /// <summary>Whether the outermost object has this property with a value other than null.</summary>
    public static bool HasProperty(ReadOnlySpan<byte> json, ReadOnlySpan<byte> name)
    {
        var reader = new Utf8JsonReader(json, Strict);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1)
            {
                var found = reader.ValueTextEquals(name);
                reader.Read();
                if (found && reader.TokenType != JsonTokenType.Null)
                {
                    return true;
                }

                reader.Skip();
            }
        }

        return false;
    }
}
