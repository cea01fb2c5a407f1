using System.Globalization;
using System.Text;

namespace Cais.Oci.Runtime;

/// <summary>Writes JSON piece by piece, for programs that have no time for a serializer's tables.</summary>
/// <param name="indented">A line for each value, two spaces a level.</param>
public sealed class JsonText(bool indented = false)
{
    private readonly StringBuilder _text = new(1024);
    private int _depth;
    private bool _needsComma;

    public JsonText BeginObject(string? name = null) => Begin(name, '{');

    public JsonText EndObject() => End('}');

    public JsonText BeginArray(string? name = null) => Begin(name, '[');

    public JsonText EndArray() => End(']');

    /// <summary>A property, or with a null name an element. Null values of properties are left out.</summary>
    public JsonText Add(string? name, string? value)
    {
        if (value is not null)
        {
            Separate(name);
            Quote(value);
        }

        return this;
    }

    public JsonText Add(string? name, long value) => Raw(name, value.ToString(CultureInfo.InvariantCulture));

    public JsonText Add(string? name, ulong value) => Raw(name, value.ToString(CultureInfo.InvariantCulture));

    public JsonText Add(string? name, bool value) => Raw(name, value ? "true" : "false");

    /// <summary>A list of texts; left out when null.</summary>
    public JsonText Add(string name, IReadOnlyList<string>? values)
    {
        if (values is null)
        {
            return this;
        }

        BeginArray(name);
        foreach (var value in values)
        {
            Add(null, value);
        }

        return EndArray();
    }

    /// <summary>An object of texts; left out when null.</summary>
    public JsonText Add(string name, IReadOnlyDictionary<string, string>? values)
    {
        if (values is null)
        {
            return this;
        }

        BeginObject(name);
        foreach (var (key, value) in values)
        {
            Add(key, value);
        }

        return EndObject();
    }

    /// <summary>A number or literal, or JSON that somebody else wrote.</summary>
    public JsonText Raw(string? name, string json)
    {
        Separate(name);
        _text.Append(json);
        return this;
    }

    public byte[] ToUtf8() => Encoding.UTF8.GetBytes(_text.ToString());

    /// <summary>With a line feed behind it, as programs print it.</summary>
    public byte[] ToLine()
    {
        _text.Append('\n');
        return ToUtf8();
    }

    public override string ToString() => _text.ToString();

    private JsonText Begin(string? name, char bracket)
    {
        Separate(name);
        _text.Append(bracket);
        _depth++;
        _needsComma = false;
        return this;
    }

    private JsonText End(char bracket)
    {
        _depth--;
        if (_needsComma)
        {
            NewLine();
        }

        _text.Append(bracket);
        _needsComma = true;
        return this;
    }

    private void Separate(string? name)
    {
        if (_needsComma)
        {
            _text.Append(',');
        }

        if (_depth > 0)
        {
            NewLine();
        }

        _needsComma = true;
        if (name is not null)
        {
            Quote(name);
            _text.Append(indented ? ": " : ":");
        }
    }

    private void NewLine()
    {
        if (indented)
        {
            _text.Append('\n').Append(' ', _depth * 2);
        }
    }

    private void Quote(string value)
    {
        _text.Append('"');
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => _text.Append("\\\""),
                '\\' => _text.Append("\\\\"),
                '\n' => _text.Append("\\n"),
                '\r' => _text.Append("\\r"),
                '\t' => _text.Append("\\t"),
                < ' ' => _text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => _text.Append(c),
            };
        }

        _text.Append('"');
    }
}
