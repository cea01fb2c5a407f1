using Cais.Engine.Logs.Files;
using Cais.Engine.Logs.Remote;

namespace Cais.Engine.Logs;

/// <summary>The log drivers that there are, and what their options may say.</summary>
internal static class LogDrivers
{
    public const string JsonFile = "json-file";
    public const string Local = "local";
    public const string None = "none";
    public const string Journald = "journald";
    public const string Syslog = "syslog";
    public const string Fluentd = "fluentd";
    public const string Gelf = "gelf";

    /// <summary>What <c>/info</c> lists.</summary>
    public static readonly IReadOnlyList<string> Names = [Fluentd, Gelf, Journald, JsonFile, Local, None, Syslog];

    /// <summary>Options of every driver: how lines get to it, and what is kept of those that cannot be read back.</summary>
    private static readonly string[] Common = ["mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

    /// <summary>Docker's drivers for the services of single vendors, which this engine does not have.</summary>
    private static readonly Dictionary<string, string> Absent = new()
    {
        ["awslogs"] = "send to fluentd or syslog, which the CloudWatch agent receives",
        ["gcplogs"] = "send to fluentd, which Google's Ops Agent receives",
        ["splunk"] = "send to fluentd or syslog, which Splunk receives",
        ["etwlogs"] = "it is for Windows",
    };

    /// <summary>Holds a driver's name and options against what there is.</summary>
    /// <exception cref="EngineException">There is no such driver, or an option is wrong; in docker's words.</exception>
    public static void Validate(string driver, IReadOnlyDictionary<string, string> options)
    {
        if (driver == None)
        {
            return;
        }

        if (Absent.TryGetValue(driver, out var instead))
        {
            throw EngineException.InvalidParameter($"logger: no log driver named '{driver}' is registered: this engine does not have it; {instead}");
        }

        if (!Names.Contains(driver))
        {
            throw EngineException.InvalidParameter($"logger: no log driver named '{driver}' is registered");
        }

        ValidateCommon(options);
        var own = Own(options);
        foreach (var pattern in (ReadOnlySpan<string>)["labels-regex", "env-regex"])
        {
            if (own.GetValueOrDefault(pattern) is { Length: > 0 } text)
            {
                LogSubject.Pattern(text);
            }
        }

        switch (driver)
        {
            case JsonFile:
                LogOption.Known(own, JsonFile, ["max-size", "max-file", "compress"]);
                FileLogOptions.ParseJsonFile(own);
                break;
            case Local:
                LogOption.Known(own, Local, ["max-size", "max-file", "compress"]);
                FileLogOptions.ParseLocal(own);
                break;
            case Journald:
                LogOption.Known(own, Journald, []);
                break;
            case Syslog:
                SyslogReceiver.Validate(own);
                break;
            case Fluentd:
                FluentdReceiver.Validate(own);
                break;
            case Gelf:
                GelfReceiver.Validate(own);
                break;
        }
    }

    /// <summary>Whether lines are dropped rather than the container slowed down.</summary>
    public static bool IsNonBlocking(IReadOnlyDictionary<string, string> options) => options.GetValueOrDefault("mode") == "non-blocking";

    /// <summary>Bytes that may wait in non-blocking mode.</summary>
    public static long BufferSize(IReadOnlyDictionary<string, string> options) =>
        options.TryGetValue("max-buffer-size", out var size) && Sizes.TryParse(size, out var bytes) && bytes > 0 ? bytes : 1 << 20;

    private static Dictionary<string, string> Own(IReadOnlyDictionary<string, string> options) =>
        options.Where(o => !Common.Contains(o.Key)).ToDictionary(o => o.Key, o => o.Value);

    private static void ValidateCommon(IReadOnlyDictionary<string, string> options)
    {
        if (options.GetValueOrDefault("mode") is not (null or "" or "blocking" or "non-blocking") and var mode)
        {
            throw EngineException.InvalidParameter($"logger: logging mode not supported: {mode}");
        }

        if (options.TryGetValue("max-buffer-size", out var size))
        {
            if (!IsNonBlocking(options))
            {
                throw EngineException.InvalidParameter("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
            }

            if (!Sizes.TryParse(size, out _))
            {
                throw EngineException.InvalidParameter($"error parsing option max-buffer-size: invalid size: '{size}'");
            }
        }

        LogOption.Bool(options, "cache-disabled", false);
        FileLogOptions.ParseLocal(options, "cache-");
    }
}
