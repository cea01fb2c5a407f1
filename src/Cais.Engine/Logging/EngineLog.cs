using System.Globalization;
using System.Text;

namespace Cais.Engine.Logging;

public enum LogLevel
{
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// <summary>
/// The daemon's own log, a line an event, as dockerd writes it: <c>time="…" level=info msg="…" key=value</c>, or the same as JSON.
/// Safe for use from any thread.
/// </summary>
public sealed class EngineLog(TextWriter writer, LogLevel level, bool json = false, TimeProvider? time = null)
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>What is less is not written; changes on reload.</summary>
    public LogLevel Level { get; set; } = level;

    public void Debug(string message, params ReadOnlySpan<(string Key, object? Value)> fields) => Write(LogLevel.Debug, message, fields);

    public void Info(string message, params ReadOnlySpan<(string Key, object? Value)> fields) => Write(LogLevel.Info, message, fields);

    public void Warn(string message, params ReadOnlySpan<(string Key, object? Value)> fields) => Write(LogLevel.Warn, message, fields);

    public void Error(string message, params ReadOnlySpan<(string Key, object? Value)> fields) => Write(LogLevel.Error, message, fields);

    private void Write(LogLevel at, string message, ReadOnlySpan<(string Key, object? Value)> fields)
    {
        if (at < Level)
        {
            return;
        }

        var line = new StringBuilder(160);
        var now = _time.GetLocalNow().ToString("yyyy-MM-ddTHH:mm:ss.fffffffzzz", CultureInfo.InvariantCulture);
        var name = Name(at);
        if (json)
        {
            line.Append("{\"time\":").Append(Quote(now)).Append(",\"level\":\"").Append(name).Append("\",\"msg\":").Append(Quote(message));
            foreach (var (key, value) in fields)
            {
                line.Append(',').Append(Quote(key)).Append(':').Append(Quote(Text(value)));
            }

            line.Append('}');
        }
        else
        {
            line.Append("time=\"").Append(now).Append("\" level=").Append(name).Append(" msg=").Append(Quote(message));
            foreach (var (key, value) in fields)
            {
                var text = Text(value);
                line.Append(' ').Append(key).Append('=').Append(NeedsQuotes(text) ? Quote(text) : text);
            }
        }

        lock (_gate)
        {
            writer.WriteLine(line);
            writer.Flush();
        }
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Debug => "debug",
        LogLevel.Info => "info",
        LogLevel.Warn => "warning",
        LogLevel.Error => "error",
        _ => "fatal",
    };

    private static string Text(object? value) => value switch
    {
        null => "",
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static bool NeedsQuotes(string text) =>
        text.Length == 0 || text.AsSpan().ContainsAnyExcept("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@^+:");

    private static string Quote(string text)
    {
        var quoted = new StringBuilder(text.Length + 8).Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append(@"\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                < ' ' => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => quoted.Append(c),
            };
        }

        return quoted.Append('"').ToString();
    }
}
