using System.Text.RegularExpressions;

namespace Cais.Build.Cache;

/// <summary>
/// Which records of the cache somebody means, in containerd's filter language: conditions with commas between them hold together, and of several filters one is enough.
/// A condition is a field (it is there), or a field with <c>==</c>, <c>!=</c> or <c>~=</c> (a regular expression) and a value, which may be quoted.
/// </summary>
public sealed class CacheFilter
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly List<List<Condition>> _filters;

    private CacheFilter(List<List<Condition>> filters) => _filters = filters;

    /// <summary>Reads filters; none of them means everything, and so does an empty one. Throws <see cref="FormatException"/> for what is no filter: it must not mean everything.</summary>
    public static CacheFilter Parse(IEnumerable<string> filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        return new CacheFilter([.. filters.Select(ParseOne)]);
    }

    /// <param name="field">A field's value, or null if the record has no such field.</param>
    public bool Matches(Func<string, string?> field) => _filters.Count == 0 || _filters.Exists(f => f.TrueForAll(c => c.Holds(field(c.Field))));

    public bool Matches(CacheUsage record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return Matches(field => FieldOf(field, record.Id, record.Description, record.Type, record.IsInUse, record.IsShared, isMutable: record.Type == CacheUsage.CacheMount));
    }

    /// <summary>BuildKit's fields. Those that are true or not have no value: they are there or not.</summary>
    public static string? FieldOf(string field, string id, string description, string type, bool isInUse, bool isShared, bool isMutable) => field switch
    {
        "id" => id,
        "description" => description,
        "type" => type,
        "inuse" => isInUse ? "" : null,
        "shared" => isShared ? "" : null,
        "private" => isShared ? null : "",
        "mutable" => isMutable ? "" : null,
        "immutable" => isMutable ? null : "",
        _ => null,
    };

    private static List<Condition> ParseOne(string text)
    {
        var conditions = new List<Condition>();
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '.' or '_' or '-' or '/'))
            {
                at++;
            }

            var field = text[start..at];
            var op = at + 1 < text.Length && text[at..(at + 2)] is "==" or "!=" or "~=" ? text[at..(at + 2)] : "";
            at += op.Length;
            conditions.Add(new Condition(field, op, op.Length > 0 ? Value(text, ref at, op == "~=") : ""));
            if (field.Length == 0 || (at < text.Length && (text[at++] != ',' || at == text.Length)))
            {
                throw new FormatException($"invalid filter \"{text}\": expected field, field==value, field!=value or field~=pattern");
            }
        }

        return conditions;
    }

    private static string Value(string text, ref int at, bool isPattern)
    {
        if (at >= text.Length || !(text[at] == '"' || (isPattern && text[at] is '/' or '|')))
        {
            var end = text.IndexOf(',', at);
            var plain = end < 0 ? text[at..] : text[at..end];
            at += plain.Length;
            return plain;
        }

        var quote = text[at];
        var value = new System.Text.StringBuilder();
        for (at++; at < text.Length && text[at] != quote; at++)
        {
            at += text[at] == '\\' && at + 1 < text.Length && text[at + 1] == quote ? 1 : 0;
            value.Append(text[at]);
        }

        return at++ < text.Length ? value.ToString() : throw new FormatException($"invalid filter \"{text}\": a quotation mark is missing");
    }

    private sealed class Condition
    {
        private readonly string _operator;
        private readonly string _value;
        private readonly Regex? _pattern;

        public Condition(string field, string @operator, string value)
        {
            (Field, _operator, _value) = (field, @operator, value);
            try
            {
                _pattern = @operator == "~=" ? new Regex(value, RegexOptions.CultureInvariant, Patience) : null;
            }
            catch (ArgumentException e)
            {
                throw new FormatException($"invalid pattern \"{value}\": {e.Message}", e);
            }
        }

        public string Field { get; }

        public bool Holds(string? value) => _operator switch
        {
            "==" => value == _value,
            "!=" => (value ?? "") != _value,
            "~=" => value is not null && _pattern!.IsMatch(value),
            _ => value is not null,
        };
    }
}
