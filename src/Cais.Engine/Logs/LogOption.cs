using System.Globalization;

namespace Cais.Engine.Logs;

/// <summary>Values of <c>--log-opt</c>, in docker's (that is, Go's) notations and words.</summary>
internal static class LogOption
{
    public static bool Bool(string text) => text switch
    {
        "1" or "t" or "T" or "TRUE" or "true" or "True" => true,
        "0" or "f" or "F" or "FALSE" or "false" or "False" => false,
        _ => throw EngineException.InvalidParameter($"strconv.ParseBool: parsing \"{text}\": invalid syntax"),
    };

    public static bool Bool(IReadOnlyDictionary<string, string> options, string name, bool otherwise) =>
        options.TryGetValue(name, out var text) && text.Length > 0 ? Bool(text) : otherwise;

    public static int Integer(string text) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw EngineException.InvalidParameter($"strconv.Atoi: parsing \"{text}\": invalid syntax");

    /// <summary>Go's <c>1m30s</c>.</summary>
    public static TimeSpan Duration(string text) =>
        Durations.TryParse(text, out var duration) ? duration : throw EngineException.InvalidParameter($"time: invalid duration \"{text}\"");

    /// <exception cref="EngineException">There is an option that the driver does not know.</exception>
    public static void Known(IReadOnlyDictionary<string, string> options, string driver, ReadOnlySpan<string> known, char quote = '\'')
    {
        foreach (var name in options.Keys)
        {
            if (!known.Contains(name) && name is not ("labels" or "labels-regex" or "env" or "env-regex" or "tag"))
            {
                throw EngineException.InvalidParameter($"unknown log opt {quote}{name}{quote} for {driver} log driver");
            }
        }
    }
}
