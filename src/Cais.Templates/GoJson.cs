using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Cais.Templates;

/// <summary>JSON in and out as Go's encoding/json has it.</summary>
internal static class GoJson
{
    public static object? FromElement(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => new JsonMap(element),
        JsonValueKind.Array => new JsonList(element),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => element.TryGetInt64(out var integer) ? (object)integer
            : element.TryGetUInt64(out var unsigned) ? unsigned
            : element.GetDouble(),
        _ => null,
    };

    /// <summary>Compact JSON; keys of maps in order, and no escapes beyond those JSON needs (docker switches HTML escaping off).</summary>
    public static string Serialize(object? value)
    {
        var output = new StringBuilder();
        Write(output, value);
        return output.ToString();
    }

    /// <summary>A JSON string literal.</summary>
    public static void WriteString(StringBuilder output, string text)
    {
        output.Append('"');
        foreach (var c in text)
        {
            switch (c)
            {
                case '"':
                    output.Append("\\\"");
                    break;
                case '\\':
                    output.Append("\\\\");
                    break;
                case '\n':
                    output.Append("\\n");
                    break;
                case '\r':
                    output.Append("\\r");
                    break;
                case '\t':
                    output.Append("\\t");
                    break;
                case '\b':
                    output.Append("\\b");
                    break;
                case '\f':
                    output.Append("\\f");
                    break;
                case < ' ' or '\u2028' or '\u2029':
                    output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    break;
                default:
                    output.Append(c);
                    break;
            }
        }

        output.Append('"');
    }

    private static void Write(StringBuilder output, object? value)
    {
        switch (value)
        {
            case null:
                output.Append("null");
                break;
            case bool truth:
                output.Append(truth ? "true" : "false");
                break;
            case string text:
                WriteString(output, text);
                break;
            case double real:
                output.Append(GoPrinter.JsonNumber(real));
                break;
            case JsonMap map:
                WriteElement(output, map.Element);
                break;
            case JsonList list:
                WriteElement(output, list.Element);
                break;
            case GoMap map:
                WriteMembers(output, map.Keys, key => map.TryGet(key, out var member) ? member : null);
                break;
            case GoStruct { EscapesHtml: true } row:
                var start = output.Length;
                WriteMembers(output, row.FieldNames, name => row.TryGetField(name, out var member) ? member : null);
                output.Replace("<", "\\u003c", start, output.Length - start)
                    .Replace(">", "\\u003e", start, output.Length - start)
                    .Replace("&", "\\u0026", start, output.Length - start);
                break;
            case GoStruct row:
                WriteMembers(output, row.FieldNames, name => row.TryGetField(name, out var member) ? member : null);
                break;
            case IReadOnlyList<object?> list:
                output.Append('[');
                for (var i = 0; i < list.Count; i++)
                {
                    output.Append(i > 0 ? "," : "");
                    Write(output, list[i]);
                }

                output.Append(']');
                break;
            default:
                output.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }

    private static void WriteMembers(StringBuilder output, IEnumerable<string> names, Func<string, object?> member)
    {
        output.Append('{');
        var first = true;
        foreach (var name in names)
        {
            output.Append(first ? "" : ",");
            first = false;
            WriteString(output, name);
            output.Append(':');
            Write(output, member(name));
        }

        output.Append('}');
    }

    /// <summary>As the daemon sent it: order of members and notation of numbers are kept.</summary>
    private static void WriteElement(StringBuilder output, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                output.Append('{');
                var first = true;
                foreach (var property in element.EnumerateObject())
                {
                    output.Append(first ? "" : ",");
                    first = false;
                    WriteString(output, property.Name);
                    output.Append(':');
                    WriteElement(output, property.Value);
                }

                output.Append('}');
                break;
            case JsonValueKind.Array:
                output.Append('[');
                var index = 0;
                foreach (var item in element.EnumerateArray())
                {
                    output.Append(index++ > 0 ? "," : "");
                    WriteElement(output, item);
                }

                output.Append(']');
                break;
            case JsonValueKind.String:
                WriteString(output, element.GetString()!);
                break;
            default:
                output.Append(element.GetRawText());
                break;
        }
    }

    /// <summary>JSON with an indentation of four blanks, as <c>inspect</c> prints it.</summary>
    public static void WriteIndented(StringBuilder output, JsonElement element, int depth, string indent = "    ")
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when element.GetPropertyCount() > 0:
                output.Append("{\n");
                var first = true;
                foreach (var property in element.EnumerateObject())
                {
                    output.Append(first ? "" : ",\n");
                    first = false;
                    Indent(output, depth + 1, indent);
                    WriteString(output, property.Name);
                    output.Append(": ");
                    WriteIndented(output, property.Value, depth + 1, indent);
                }

                output.Append('\n');
                Indent(output, depth, indent);
                output.Append('}');
                break;
            case JsonValueKind.Array when element.GetArrayLength() > 0:
                output.Append("[\n");
                var index = 0;
                foreach (var item in element.EnumerateArray())
                {
                    output.Append(index++ > 0 ? ",\n" : "");
                    Indent(output, depth + 1, indent);
                    WriteIndented(output, item, depth + 1, indent);
                }

                output.Append('\n');
                Indent(output, depth, indent);
                output.Append(']');
                break;
            default:
                WriteElement(output, element);
                break;
        }
    }

    private static void Indent(StringBuilder output, int depth, string indent)
    {
        for (var i = 0; i < depth; i++)
        {
            output.Append(indent);
        }
    }
}
