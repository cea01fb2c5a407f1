using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Cais.Engine;

/// <summary>
/// The <c>filters</c> parameter: for each key a set of values, of which one must match. Keys are and-ed, values or-ed, but for
/// <c>label</c>, whose values must all match.
/// </summary>
public sealed class Filters
{
    public static readonly Filters None = new([]);

    private readonly Dictionary<string, List<string>> _fields;

    private Filters(Dictionary<string, List<string>> fields) => _fields = fields;

    public bool IsEmpty => _fields.Count == 0;

    public IEnumerable<string> Keys => _fields.Keys;

    public IReadOnlyList<string> this[string key] => _fields.TryGetValue(key, out var values) ? values : [];

    /// <summary>Reads <c>{"status":{"running":true}}</c> or <c>{"status":["running"]}</c>. Throws <see cref="JsonException"/>.</summary>
    public static Filters Parse(string text)
    {
        using var json = JsonDocument.Parse(text);
        if (json.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("filters are an object");
        }

        var fields = new Dictionary<string, List<string>>();
        foreach (var field in json.RootElement.EnumerateObject())
        {
            var values = new List<string>();
            switch (field.Value.ValueKind)
            {
                case JsonValueKind.Array:
                    foreach (var value in field.Value.EnumerateArray())
                    {
                        values.Add(value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new JsonException("a filter's values are strings"));
                    }

                    break;
                case JsonValueKind.Object:
                    foreach (var value in field.Value.EnumerateObject())
                    {
                        if (value.Value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
                        {
                            throw new JsonException("a filter's values are a set");
                        }

                        values.Add(value.Name);
                    }

                    break;
                default:
                    throw new JsonException("a filter's values are a set or a list");
            }

            fields[field.Name] = values;
        }

        return new Filters(fields);
    }

    public static Filters Of(params (string Key, string Value)[] fields) =>
        new(fields.GroupBy(f => f.Key).ToDictionary(g => g.Key, g => g.Select(f => f.Value).ToList()));

    public bool Has(string key) => _fields.ContainsKey(key);

    /// <summary>Throws docker's <c>invalid filter 'x'</c> for the first key that is none of <paramref name="accepted"/>.</summary>
    public Filters Accept(params ReadOnlySpan<string> accepted)
    {
        foreach (var key in _fields.Keys)
        {
            if (!accepted.Contains(key))
            {
                throw EngineException.InvalidParameter($"invalid filter '{key}'");
            }
        }

        return this;
    }

    /// <summary>Whether nothing was asked of this key or <paramref name="actual"/> is one of the values.</summary>
    public bool Exact(string key, string actual) => !_fields.TryGetValue(key, out var values) || values.Count == 0 || values.Contains(actual);

    /// <summary>Like <see cref="Exact"/>, each value being a regular expression or a part of the text.</summary>
    public bool Match(string key, string actual)
    {
        if (Exact(key, actual))
        {
            return true;
        }

        foreach (var value in _fields[key])
        {
            try
            {
                if (Regex.IsMatch(actual, value, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking))
                {
                    return true;
                }
            }
            catch (ArgumentException)
            {
                // Not an expression: docker then finds nothing, and so do we.
            }
        }

        return false;
    }

    /// <summary>Whether all of the key's values, <c>name</c> or <c>name=value</c>, are among the labels.</summary>
    public bool Labels(string key, IReadOnlyDictionary<string, string>? labels) =>
        !_fields.TryGetValue(key, out var wanted) || wanted.TrueForAll(w => HasLabel(labels, w));

    /// <summary>Both <c>label</c> (all must be there) and <c>label!</c> (none of them may).</summary>
    public bool LabelsOf(IReadOnlyDictionary<string, string>? labels) =>
        Labels("label", labels) && !(_fields.TryGetValue("label!", out var unwanted) && unwanted.Exists(w => HasLabel(labels, w)));

    /// <summary>A filter that is true or false; absent counts as <paramref name="otherwise"/>.</summary>
    public bool Flag(string key, bool otherwise)
    {
        if (!_fields.TryGetValue(key, out var values) || values.Count == 0)
        {
            return otherwise;
        }

        var yes = values.Contains("1") || values.Contains("true");
        var no = values.Contains("0") || values.Contains("false");
        return yes != no ? yes : throw EngineException.InvalidParameter($"invalid filter '{key}=[{string.Join(' ', values)}]'");
    }

    /// <summary>The <c>until</c> filter: a time, or how long ago.</summary>
    public DateTimeOffset? Until(TimeProvider time) => this["until"] switch
    {
        [] => null,
        [var one] => Timestamps.Parse(one, time.GetUtcNow())
            ?? throw EngineException.InvalidParameter(string.Create(CultureInfo.InvariantCulture, $"failed to parse value as time or duration: \"{one}\"")),
        _ => throw EngineException.InvalidParameter("more than one until filter specified"),
    };

    private static bool HasLabel(IReadOnlyDictionary<string, string>? labels, string wanted)
    {
        var equals = wanted.IndexOf('=');
        return labels is not null && (equals < 0
            ? labels.ContainsKey(wanted)
            : labels.TryGetValue(wanted[..equals], out var value) && value == wanted[(equals + 1)..]);
    }
}
