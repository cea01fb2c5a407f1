using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.RuntimeCli;

/// <summary>
/// The log that engines read errors from, in the form runc writes it (logrus): a JSON object a line, or text. As crun's, it may also be
/// <c>syslog:NAME</c> or <c>journald:NAME</c>.
/// </summary>
internal sealed class LogFile(string? path, bool json, string level)
{
    public bool ToStandardError => path is null;

    public void Error(string message) => Write("error", message);

    public void Warning(string message)
    {
        if (level != "error")
        {
            Write("warning", message);
        }
    }

    public void Debug(string message)
    {
        if (level == "debug")
        {
            Write("debug", message);
        }
    }

    private void Write(string severity, string message)
    {
        var time = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var line = json
            ? new JsonText().BeginObject().Add("level", severity).Add("msg", message).Add("time", time).EndObject().ToString()
            : $"time=\"{time}\" level={severity} msg=\"{message.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
        try
        {
            if (path is null)
            {
                Output.Error(line);
            }
            else if (path.StartsWith("syslog:", StringComparison.Ordinal))
            {
                Send("/dev/log", $"<{24 + Priority(severity)}>{path[7..]}: {OneLine(message)}");
            }
            else if (path.StartsWith("journald:", StringComparison.Ordinal))
            {
                Send("/run/systemd/journal/socket", $"MESSAGE={OneLine(message)}\nPRIORITY={Priority(severity)}\nSYSLOG_IDENTIFIER={path[9..]}\n");
            }
            else
            {
                using var file = Files.Open(path, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Append, 0x1a4);
                Files.Write(file, Encoding.UTF8.GetBytes(line + "\n"));
            }
        }
        catch (LinuxException e)
        {
            Output.Error($"{e.Message}\n{line}");
        }
    }

    /// <summary>syslog(3): errors are 3, warnings 4, debugging 7.</summary>
    private static int Priority(string severity) => severity switch
    {
        "error" => 3,
        "warning" => 4,
        _ => 7,
    };

    private static string OneLine(string message) => message.Replace('\n', ' ');

    private static void Send(string service, string message)
    {
        using var socket = MessageSocket.ConnectForDatagrams(service);
        Files.Write(socket, Encoding.UTF8.GetBytes(message));
    }
}
