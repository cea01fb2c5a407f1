using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Cais.Cli.Values;

/// <summary>Conditions of <c>--filter</c>: for each key the values that were given, as the Engine API wants them.</summary>
internal sealed class FilterSet
{
    public static readonly FilterSet Empty = new([]);

    private readonly SortedDictionary<string, SortedSet<string>> _values;

    private FilterSet(SortedDictionary<string, SortedSet<string>> values) => _values = values;

    public bool IsEmpty => _values.Count == 0;

    /// <exception cref="FormatException">Not of the form <c>key=value</c>.</exception>
    public FilterSet Add(string text)
    {
        if (text.Length == 0)
        {
            return this;
        }

        var equals = text.IndexOf('=');
        if (equals < 0)
        {
            throw new FormatException("bad format of filter (expected name=value)");
        }

        return With(text[..equals].ToLowerInvariant().Trim(), text[(equals + 1)..].Trim());
    }

    public FilterSet With(string key, string value)
    {
        var copy = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        foreach (var (k, v) in _values)
        {
            copy[k] = new SortedSet<string>(v, StringComparer.Ordinal);
        }

        if (!copy.TryGetValue(key, out var values))
        {
            copy[key] = values = new SortedSet<string>(StringComparer.Ordinal);
        }

        values.Add(value);
        return new FilterSet(copy);
    }

    public bool Contains(string key) => _values.ContainsKey(key);

    public IEnumerable<string> Values(string key) => _values.TryGetValue(key, out var values) ? values : [];

    /// <summary>The query parameter; null when there is no condition.</summary>
    public string? ToJson()
    {
        if (IsEmpty)
        {
            return null;
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var (key, values) in _values)
            {
                writer.WriteStartObject(key);
                foreach (var value in values)
                {
                    writer.WriteBoolean(value, true);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
