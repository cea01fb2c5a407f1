using Cais.Cli.Values;

namespace Cais.Cli.CommandLine;

/// <summary>Makes flags of the kinds that docker's grammar has.</summary>
internal static class Flags
{
    public static Flag<bool> Bool(string name, string usage, char? shorthand = null, bool defaultValue = false, string? api = null) =>
        new(name, "bool", usage, defaultValue, static (text, _) => GoNumber.ParseBool(text))
        {
            Shorthand = shorthand,
            DefaultText = defaultValue ? "true" : "false",
            ApiVersion = api,
        };

    public static Flag<string> Text(string name, string usage, char? shorthand = null, string defaultValue = "", string type = "string", string? api = null) =>
        new(name, type, usage, defaultValue, static (text, _) => text) { Shorthand = shorthand, DefaultText = defaultValue, ApiVersion = api };

    /// <summary>A value with an alphabet of its own, checked while parsing.</summary>
    public static Flag<string> Checked(string name, string type, string usage, Func<string, string> check, char? shorthand = null, string defaultText = "") =>
        new(name, type, usage, "", (text, _) => check(text)) { Shorthand = shorthand, DefaultText = defaultText };

    public static Flag<int> Int(string name, string usage, char? shorthand = null, int defaultValue = 0, string? api = null) =>
        new(name, "int", usage, defaultValue, static (text, _) => (int)GoNumber.ParseInt(text, 64))
        {
            Shorthand = shorthand,
            DefaultText = Invariant(defaultValue),
            ApiVersion = api,
        };

    public static Flag<long> Int64(string name, string usage, char? shorthand = null, long defaultValue = 0, string? api = null, string? os = null) =>
        new(name, "int64", usage, defaultValue, static (text, _) => GoNumber.ParseInt(text, 64))
        {
            Shorthand = shorthand,
            DefaultText = Invariant(defaultValue),
            ApiVersion = api,
            OsType = os,
        };

    public static Flag<ulong> UInt(string name, string type, string usage, int bits, string? os = null) =>
        new(name, type, usage, 0UL, (text, _) => GoNumber.ParseUint(text, bits)) { DefaultText = "0", OsType = os };

    /// <summary>A length of time in Go's notation, in nanoseconds.</summary>
    public static Flag<long> Duration(string name, string usage, string? api = null) =>
        new(name, "duration", usage, 0L, static (text, _) => GoDuration.Parse(text)) { DefaultText = "0s", ApiVersion = api };

    /// <summary>A size in bytes with an optional binary unit (<c>512m</c>).</summary>
    public static Flag<long> Bytes(string name, string usage, char? shorthand = null, string? os = null, string? api = null) =>
        new(name, "bytes", usage, 0L, static (text, _) => ByteSize.Parse(text)) { Shorthand = shorthand, DefaultText = "0", OsType = os, ApiVersion = api };

    /// <summary>A size in bytes, or -1 for no limit.</summary>
    public static Flag<long> SwapBytes(string name, string usage) =>
        new(name, "bytes", usage, 0L, static (text, _) => text == "-1" ? -1 : ByteSize.Parse(text)) { DefaultText = "0" };

    /// <summary>A value given any number of times.</summary>
    public static Flag<IReadOnlyList<string>> List(
        string name, string usage, char? shorthand = null, Func<string, string>? check = null, string type = "list", string defaultText = "", string? api = null) =>
        new(name, type, usage, [], (text, previous) => [.. previous, check is null ? text : check(text)])
        {
            Shorthand = shorthand,
            DefaultText = defaultText,
            ApiVersion = api,
        };

    /// <summary>A value given any number of times, with commas between several in one: pflag's StringSlice.</summary>
    public static Flag<IReadOnlyList<string>> Slice(string name, string usage, char? shorthand = null, string? api = null) =>
        new(name, "stringSlice", usage, [], static (text, previous) => [.. previous, .. CommaList.Read(text)])
        {
            Shorthand = shorthand,
            DefaultText = "[]",
            ApiVersion = api,
        };

    /// <summary><c>key=value</c> pairs; a later one replaces an earlier one of the same key.</summary>
    public static Flag<IReadOnlyDictionary<string, string>> Map(
        string name, string usage, char? shorthand = null, Func<string, string>? check = null, string? api = null) =>
        new(name, "map", usage, EmptyMap, (text, previous) => MapOption.Add(check is null ? text : check(text), previous))
        {
            Shorthand = shorthand,
            DefaultText = "map[]",
            ApiVersion = api,
        };

    /// <summary><c>key=value</c> conditions; several of one key are alternatives.</summary>
    public static Flag<FilterSet> Filter(char? shorthand = 'f', string usage = "Show only what matches the condition", string? api = null) =>
        new("filter", "filter", usage, FilterSet.Empty, static (text, previous) => previous.Add(text)) { Shorthand = shorthand, ApiVersion = api };

    /// <summary>A flag of any other kind.</summary>
    public static Flag<T> Custom<T>(string name, string type, string usage, T defaultValue, Func<string, T, T> parse, char? shorthand = null, string defaultText = "", string? api = null) =>
        new(name, type, usage, defaultValue, parse) { Shorthand = shorthand, DefaultText = defaultText, ApiVersion = api };

    /// <summary>The <c>--format</c> of commands that print lists.</summary>
    public static Flag<string> ListFormat() => Text(
        "format",
        """
        How to print:
        'table':            A table with column headers (default)
        'table TEMPLATE':   A table of the given Go template's columns
        'json':             One JSON object a line
        'TEMPLATE':         Whatever the Go template makes of each
        """);

    /// <summary>The <c>--format</c> of commands that print one object or JSON.</summary>
    public static Flag<string> ObjectFormat(char? shorthand = null) => Text(
        "format",
        """
        How to print:
        'json':             JSON
        'TEMPLATE':         Whatever the Go template makes of it
        """,
        shorthand);

    private static readonly Dictionary<string, string> EmptyMap = [];

    private static string Invariant(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
