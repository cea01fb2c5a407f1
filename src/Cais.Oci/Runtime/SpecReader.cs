using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <summary>
/// Reads config.json and its parts straight from the tokens. A program that lives for a few milliseconds has no time for a serializer's
/// tables; <see cref="SpecJson"/> reads and writes the same where there is time.
/// </summary>
public static partial class SpecReader
{
    private delegate T? Reader<T>(ref Utf8JsonReader json)
        where T : class;

    /// <exception cref="JsonException">Not JSON, or not of the shape that the specification says; with the place.</exception>
    public static Spec ReadSpec(ReadOnlySpan<byte> utf8) => Read(utf8, SpecOf);

    /// <inheritdoc cref="ReadSpec"/>
    public static Process ReadProcess(ReadOnlySpan<byte> utf8) => Read(utf8, ProcessOf);

    /// <inheritdoc cref="ReadSpec"/>
    public static LinuxResources ReadResources(ReadOnlySpan<byte> utf8) => Read(utf8, LinuxResourcesOf);

    /// <summary>The <c>mounts</c> of a configuration, which may lack all else; null where it has none.</summary>
    /// <inheritdoc cref="ReadSpec"/>
    public static IReadOnlyList<Mount>? ReadMounts(ReadOnlySpan<byte> utf8) => Read(utf8, MountsOf) is { Count: > 0 } mounts ? mounts : null;

    private static List<Mount>? MountsOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        var mounts = new List<Mount>();
        while (Next(ref json))
        {
            if (json.ValueTextEquals("mounts"u8))
            {
                mounts.AddRange(List(ref json, MountOf) ?? []);
            }
            else
            {
                Skip(ref json);
            }
        }

        return mounts;
    }

    private static T Read<T>(ReadOnlySpan<byte> utf8, Reader<T> read)
        where T : class
    {
        var json = new Utf8JsonReader(utf8);
        try
        {
            json.Read();
            var value = read(ref json) ?? throw new JsonException("the document is null");

            // Anything but white space behind the document is an error of its own.
            json.Read();
            return value;
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw new JsonException($"the value at byte {json.TokenStartIndex} is not of the type expected there", e);
        }
    }

    /// <summary>At a value: false for null, true inside an object.</summary>
    private static bool Begin(ref Utf8JsonReader json) => json.TokenType switch
    {
        JsonTokenType.Null => false,
        JsonTokenType.StartObject => true,
        _ => throw new JsonException($"an object is expected at byte {json.TokenStartIndex}"),
    };

    /// <summary>True at the name of the next property, false past the object.</summary>
    private static bool Next(ref Utf8JsonReader json)
    {
        json.Read();
        return json.TokenType == JsonTokenType.PropertyName;
    }

    private static void Skip(ref Utf8JsonReader json)
    {
        json.Read();
        json.Skip();
    }

    private static string? Text(ref Utf8JsonReader json)
    {
        json.Read();
        return json.GetString();
    }

    private static bool? Flag(ref Utf8JsonReader json)
    {
        json.Read();
        return json.TokenType == JsonTokenType.Null ? null : json.GetBoolean();
    }

    private static int? Int32(ref Utf8JsonReader json) => HasNumber(ref json) ? json.GetInt32() : null;

    private static uint? UInt32(ref Utf8JsonReader json) => HasNumber(ref json) ? json.GetUInt32() : null;

    private static long? Int64(ref Utf8JsonReader json) => HasNumber(ref json) ? json.GetInt64() : null;

    private static ulong? UInt64(ref Utf8JsonReader json) => HasNumber(ref json) ? json.GetUInt64() : null;

    private static ushort? UInt16(ref Utf8JsonReader json) => HasNumber(ref json) ? json.GetUInt16() : null;

    private static bool HasNumber(ref Utf8JsonReader json)
    {
        json.Read();
        return json.TokenType != JsonTokenType.Null;
    }

    private static List<string>? Strings(ref Utf8JsonReader json)
    {
        if (!BeginList(ref json))
        {
            return null;
        }

        var list = new List<string>();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            list.Add(json.GetString() ?? throw new JsonException($"a text is expected at byte {json.TokenStartIndex}"));
        }

        return list;
    }

    private static List<uint>? Numbers(ref Utf8JsonReader json)
    {
        if (!BeginList(ref json))
        {
            return null;
        }

        var list = new List<uint>();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            list.Add(json.GetUInt32());
        }

        return list;
    }

    private static List<T>? List<T>(ref Utf8JsonReader json, Reader<T> read)
        where T : class
    {
        if (!BeginList(ref json))
        {
            return null;
        }

        var list = new List<T>();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            list.Add(read(ref json) ?? throw new JsonException($"an object is expected at byte {json.TokenStartIndex}"));
        }

        return list;
    }

    private static Dictionary<string, string>? Texts(ref Utf8JsonReader json)
    {
        json.Read();
        if (!Begin(ref json))
        {
            return null;
        }

        var map = new Dictionary<string, string>();
        while (Next(ref json))
        {
            var name = json.GetString()!;
            json.Read();
            map[name] = json.GetString() ?? "";
        }

        return map;
    }

    private static Dictionary<string, T>? Map<T>(ref Utf8JsonReader json, Reader<T> read)
        where T : class
    {
        json.Read();
        if (!Begin(ref json))
        {
            return null;
        }

        var map = new Dictionary<string, T>();
        while (Next(ref json))
        {
            var name = json.GetString()!;
            json.Read();
            map[name] = read(ref json) ?? throw new JsonException($"an object is expected at byte {json.TokenStartIndex}");
        }

        return map;
    }

    private static bool BeginList(ref Utf8JsonReader json)
    {
        json.Read();
        return json.TokenType switch
        {
            JsonTokenType.Null => false,
            JsonTokenType.StartArray => true,
            _ => throw new JsonException($"a list is expected at byte {json.TokenStartIndex}"),
        };
    }

    private static JsonException Missing(string name) => new($"\"{name}\" is missing");
}
