using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>
/// A command given as one string or as a list of strings; written as a list. A type of its own, not a converter on each property: with one
/// of those the generator writes no direct writer for the whole request. The properties of this type are for serializers, of any project; programs
/// use those without "Json" in their name.
/// </summary>
[JsonConverter(typeof(StringOrListConverter))]
public sealed record StringOrList(IReadOnlyList<string> Values)
{
    public static StringOrList? Of(IReadOnlyList<string>? values) => values is null ? null : new StringOrList(values);
}

/// <summary>Reads either form, writes a list.</summary>
public sealed class StringOrListConverter : JsonConverter<StringOrList>
{
    public override StringOrList? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return null;
            case JsonTokenType.String:
                return new StringOrList([reader.GetString()!]);
            case JsonTokenType.StartArray:
                var items = new List<string>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(reader.TokenType == JsonTokenType.String
                        ? reader.GetString()!
                        : throw new JsonException("a command is a string or a list of strings"));
                }

                return new StringOrList(items);
            default:
                throw new JsonException("a command is a string or a list of strings");
        }
    }

    public override void Write(Utf8JsonWriter writer, StringOrList value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var item in value.Values)
        {
            writer.WriteStringValue(item);
        }

        writer.WriteEndArray();
    }
}
