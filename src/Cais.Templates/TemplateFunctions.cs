using System.Globalization;
using System.Net;
using System.Text;

namespace Cais.Templates;

/// <summary>A function was called with too few or too many arguments.</summary>
internal sealed class WrongArgumentsException(string message) : FormatException(message);

/// <summary>An argument of a function is of a type that it does not take.</summary>
internal sealed class WrongTypeException(int argument, string expected, object? value) : FormatException
{
    /// <summary>Which argument, from 0.</summary>
    public int Argument { get; } = argument;

    /// <summary>For a constant Go says what was found, for anything else of what type it is.</summary>
    public string Describe(bool constant) =>
        constant ? $"expected {expected}; found {(value is string text ? GoQuote.Quote(text) : GoPrinter.Text(value))}"
        : value is null ? $"invalid value; expected {expected}"
        : $"wrong type for value; expected {expected}; got {GoPrinter.TypeName(value)}";
}

/// <summary>The functions that templates can call: Go's own and docker's.</summary>
internal static class TemplateFunctions
{
    public static IReadOnlyDictionary<string, TemplateFunction> Default { get; } = new Dictionary<string, TemplateFunction>
    {
        ["and"] = Function("and", 1, int.MaxValue, static a => a.FirstOrDefault(static v => !IsTrue(v), a[^1])),
        ["or"] = Function("or", 1, int.MaxValue, static a => a.FirstOrDefault(IsTrue, a[^1])),
        ["not"] = Function("not", 1, 1, static a => !IsTrue(a[0])),
        ["len"] = Function("len", 1, 1, static a => Length(a[0])),
        ["index"] = Function("index", 1, int.MaxValue, static a => a.Skip(1).Aggregate(a[0], Index)),
        ["slice"] = Function("slice", 1, 4, Slice),
        ["print"] = Function("print", 0, int.MaxValue, static a => Print(a)),
        ["println"] = Function("println", 0, int.MaxValue, static a => string.Join(' ', a.Select(GoPrinter.Text)) + "\n"),
        ["printf"] = Function("printf", 1, int.MaxValue, static a => GoFormat.Format(Text(a, 0), [.. a.Skip(1)])),
        ["html"] = Function("html", 0, int.MaxValue, static a => Print(a)
            .Replace("&", "&amp;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal)
            .Replace("\"", "&#34;", StringComparison.Ordinal)),
        ["urlquery"] = Function("urlquery", 0, int.MaxValue, static a => WebUtility.UrlEncode(Print(a))),
        ["js"] = Function("js", 0, int.MaxValue, static a => JavaScript(Print(a))),
        ["call"] = Function("call", 1, int.MaxValue, static a => throw new FormatException($"non-function {GoPrinter.Text(a[0])} of type {GoPrinter.TypeName(a[0])}")),
        ["eq"] = Function("eq", 1, int.MaxValue, static a => Comparison.EqualsAny(a)),
        ["ne"] = Function("ne", 2, 2, static a => !Comparison.AreEqual(a[0], a[1])),
        ["lt"] = Function("lt", 2, 2, static a => Comparison.Compare(a[0], a[1]) < 0),
        ["le"] = Function("le", 2, 2, static a => Comparison.Compare(a[0], a[1]) <= 0),
        ["gt"] = Function("gt", 2, 2, static a => Comparison.Compare(a[0], a[1]) > 0),
        ["ge"] = Function("ge", 2, 2, static a => Comparison.Compare(a[0], a[1]) >= 0),
        ["json"] = Function("json", 1, 1, static a => GoJson.Serialize(a[0])),
        ["split"] = Function("split", 2, 2, static a => Split(Text(a, 0), Text(a, 1))),
        ["join"] = Function("join", 2, 2, static a => string.Join(Text(a, 1), Items(a, 0).Select(GoPrinter.Text))),
        ["title"] = Function("title", 1, 1, static a => Title(Text(a, 0))),
        ["lower"] = Function("lower", 1, 1, static a => Text(a, 0).ToLowerInvariant()),
        ["upper"] = Function("upper", 1, 1, static a => Text(a, 0).ToUpperInvariant()),
        ["pad"] = Function("pad", 3, 3, static a => Pad(Text(a, 0), Integer(a, 1), Integer(a, 2))),
        ["truncate"] = Function("truncate", 2, 2, static a => Truncate(Text(a, 0), Integer(a, 1))),
    };

    /// <summary>For the header row of a table: docker's functions leave a column's title as it is.</summary>
    public static IReadOnlyDictionary<string, TemplateFunction> Header { get; } = new Dictionary<string, TemplateFunction>(Default)
    {
        ["json"] = static a => a[0],
        ["title"] = static a => a[0],
        ["lower"] = static a => a[0],
        ["upper"] = static a => a[0],
        ["truncate"] = static a => a[0],
        ["join"] = static a => a[0],
        ["split"] = static a => a[0],
    };

    /// <summary>Go's idea of truth: everything but the zero value of its kind.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null or false or "" or 0L or 0UL or 0.0 => false,
        GoMap map => map.Count > 0,
        IReadOnlyList<object?> list => list.Count > 0,
        _ => true,
    };

    private static TemplateFunction Function(string name, int minimum, int maximum, Func<IReadOnlyList<object?>, object?> body) => arguments =>
    {
        if (arguments.Count < minimum)
        {
            throw new WrongArgumentsException(
                $"wrong number of args for {name}: want {(maximum == int.MaxValue ? "at least " : "")}{minimum} got {arguments.Count}");
        }

        return arguments.Count <= maximum
            ? body(arguments)
            : throw new WrongArgumentsException($"wrong number of args for {name}: want {maximum} got {arguments.Count}");
    };

    private static string Text(IReadOnlyList<object?> arguments, int index) =>
        arguments[index] as string ?? throw new WrongTypeException(index, "string", arguments[index]);

    private static int Integer(IReadOnlyList<object?> arguments, int index) => arguments[index] is long value
        ? (int)Math.Clamp(value, int.MinValue, int.MaxValue)
        : throw new WrongTypeException(index, "integer", arguments[index]);

    private static IReadOnlyList<object?> Items(IReadOnlyList<object?> arguments, int index) => arguments[index] switch
    {
        IReadOnlyList<object?> list => list,
        null => [],
        var value => throw new WrongTypeException(index, "[]string", value),
    };

    private static long Length(object? value) => value switch
    {
        string text => Encoding.UTF8.GetByteCount(text),
        GoMap map => map.Count,
        IReadOnlyList<object?> list => list.Count,
        null => throw new FormatException("len of nil pointer"),
        _ => throw new FormatException($"len of type {GoPrinter.TypeName(value)}"),
    };

    private static object? Index(object? container, object? index) => (container, index) switch
    {
        (GoMap map, string key) => map.TryGet(key, out var value) ? value : map.Missing,
        (GoMap, _) => throw new FormatException($"value has type {GoPrinter.TypeName(index)}; should be string"),
        (IReadOnlyList<object?> list, long i) => i >= 0 && i < list.Count ? list[(int)i] : throw new FormatException($"index out of range: {i}"),
        (string text, long i) when Encoding.UTF8.GetBytes(text) is var bytes =>
            i >= 0 && i < bytes.Length ? (long)bytes[i] : throw new FormatException($"index out of range: {i}"),
        (IReadOnlyList<object?> or string, _) => throw new FormatException($"cannot index slice/array with type {GoPrinter.TypeName(index)}"),
        (null, _) => throw new FormatException("index of untyped nil"),
        _ => throw new FormatException($"can't index item of type {GoPrinter.TypeName(container)}"),
    };

    private static object? Slice(IReadOnlyList<object?> arguments)
    {
        var indexes = arguments.Skip(1).Select(static a => a is long i ? (int)Math.Clamp(i, -1, int.MaxValue) : throw new FormatException($"cannot index slice/array with type {GoPrinter.TypeName(a)}")).ToList();
        (int Start, int End) Bounds(int length)
        {
            var start = indexes.Count > 0 ? indexes[0] : 0;
            var end = indexes.Count > 1 ? indexes[1] : length;
            foreach (var index in indexes.Where(i => i < 0 || i > length))
            {
                throw new FormatException($"index out of range: {index}");
            }

            return start <= end ? (start, end) : throw new FormatException($"invalid slice index: {start} > {end}");
        }

        switch (arguments[0])
        {
            case string text:
                var bytes = Encoding.UTF8.GetBytes(text);
                var (from, to) = Bounds(bytes.Length);
                return Encoding.UTF8.GetString(bytes, from, to - from);
            case IReadOnlyList<object?> list:
                var (first, last) = Bounds(list.Count);
                return list.Skip(first).Take(last - first).ToList();
            case null:
                throw new FormatException("slice of untyped nil");
            default:
                throw new FormatException($"can't slice item of type {GoPrinter.TypeName(arguments[0])}");
        }
    }

    /// <summary>Go's Sprint: a blank between neighbours of which neither is a string.</summary>
    private static string Print(IReadOnlyList<object?> values)
    {
        var output = new StringBuilder();
        for (var i = 0; i < values.Count; i++)
        {
            if (i > 0 && values[i] is not string && values[i - 1] is not string)
            {
                output.Append(' ');
            }

            output.Append(GoPrinter.Text(values[i]));
        }

        return output.ToString();
    }

    private static List<object?> Split(string text, string separator) => separator.Length > 0
        ? text.Split(separator).Cast<object?>().ToList()
        : text.EnumerateRunes().Select(static r => (object?)r.ToString()).ToList();

    private static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        var previous = ' ';
        foreach (var c in text)
        {
            result.Append(char.IsLetterOrDigit(previous) || previous is '_' or '\'' ? c : char.ToUpperInvariant(c));
            previous = c;
        }

        return result.ToString();
    }

    private static string Pad(string text, int before, int after) =>
        text.Length == 0 ? text : new string(' ', Math.Max(0, before)) + text + new string(' ', Math.Max(0, after));

    private static string Truncate(string text, int length)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return bytes.Length < length || length < 0 ? text : Encoding.UTF8.GetString(bytes, 0, length);
    }

    private static string JavaScript(string text)
    {
        var output = new StringBuilder();
        foreach (var c in text)
        {
            output.Append(c switch
            {
                '\\' => "\\\\",
                '\'' => "\\'",
                '"' => "\\\"",
                '<' => "\\u003C",
                '>' => "\\u003E",
                '&' => "\\u0026",
                '=' => "\\u003D",
                < ' ' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"),
                _ => c.ToString(),
            });
        }

        return output.ToString();
    }
}
