using System.Globalization;
using System.Text.Json;

namespace Cais.Cli.Formatting;

/// <summary>
/// Reads members of the daemon's answers without types in between: the start of the serializer costs a command more than the answer does.
/// A member that is missing or of another kind reads as the zero value, as Go's decoder leaves it.
/// </summary>
internal static class JsonAccess
{
    public static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? member : null;

    public static string Text(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    public static long Number(this JsonElement element, string name, long missing = 0) =>
        element.Member(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value) ? value : missing;

    public static bool Truth(this JsonElement element, string name) => element.Member(name) is { ValueKind: JsonValueKind.True };

    public static IEnumerable<JsonElement> Items(this JsonElement element, string name)
    {
        if (element.Member(name) is { ValueKind: JsonValueKind.Array } list)
        {
            foreach (var item in list.EnumerateArray())
            {
                yield return item;
            }
        }
    }

    public static IEnumerable<string> Texts(this JsonElement element, string name) =>
        element.Items(name).Where(static i => i.ValueKind == JsonValueKind.String).Select(static i => i.GetString()!);

    public static IEnumerable<JsonProperty> Members(this JsonElement element, string name)
    {
        if (element.Member(name) is { ValueKind: JsonValueKind.Object } map)
        {
            foreach (var property in map.EnumerateObject())
            {
                yield return property;
            }
        }
    }

    /// <summary>A map of strings as <c>k=v,k2=v2</c> in order of keys.</summary>
    public static string LabelList(this JsonElement element, string name) =>
        string.Join(',', element.Members(name).Select(static p => $"{p.Name}={p.Value.GetString()}").Order(StringComparer.Ordinal));

    /// <summary>A time in RFC 3339; null when there is none (also Go's year 1).</summary>
    public static DateTimeOffset? Time(this JsonElement element, string name) =>
        DateTimeOffset.TryParse(element.Text(name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) && time.Year > 1
            ? time
            : null;
}
