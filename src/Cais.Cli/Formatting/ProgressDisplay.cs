using System.Globalization;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Terminal;
using Cais.Client;

namespace Cais.Cli.Formatting;

/// <summary>
/// Shows the progress stream of pull, push, load and build. On a terminal each id has a line of its own that is redrawn in place; elsewhere
/// only what changes state is printed. Transfers on a terminal show their speed, and several at once a last line for all of them.
/// </summary>
internal sealed class ProgressDisplay(TextWriter output, bool isTerminal, int fd = 1, TimeProvider? clock = null)
{
    private const int BarWidth = 50;
    private const int NarrowTerminal = 110;
    private const int AssumedColumns = 200;

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private readonly Dictionary<string, int> _lines = [];
    private readonly Dictionary<string, RateMeter> _rates = [];
    private readonly TransferTotal _total = new(clock ?? TimeProvider.System);

    /// <summary>Reads the stream to its end.</summary>
    /// <param name="stream">Progress messages.</param>
    /// <param name="extra">Receives the members named <c>aux</c>.</param>
    /// <exception cref="CommandException">The daemon reports a failure.</exception>
    public async Task ShowAsync(JsonStream stream, Action<JsonElement>? extra = null)
    {
        while (await stream.NextAsync().ConfigureAwait(false) is { } document)
        {
            using (document)
            {
                Show(document.RootElement, extra);
            }
        }
    }

    /// <summary>Reads the stream to its end without showing anything.</summary>
    public static Task DrainAsync(JsonStream stream) => new ProgressDisplay(TextWriter.Null, isTerminal: false).ShowAsync(stream);

    private void Show(JsonElement message, Action<JsonElement>? extra)
    {
        if (message.Member("aux") is { } aux)
        {
            extra?.Invoke(aux);
            return;
        }

        if (Failure(message) is { } failure)
        {
            throw new CommandException(failure);
        }

        var id = message.Text("id");
        var progress = message.Member("progressDetail");
        var up = 0;
        if (id.Length > 0 && (progress is not null || message.Text("progress").Length > 0))
        {
            if (!_lines.TryGetValue(id, out var line))
            {
                _lines[id] = line = _lines.Count;
                output.Write(isTerminal ? "\n" : "");
            }

            up = _lines.Count - line;
            Move(up, 'A');
        }
        else
        {
            // Something else follows: the lines above are history now.
            _lines.Clear();
            _total.Clear();
        }

        Display(message, id, progress);
        if (id.Length > 0)
        {
            Move(up, 'B');
        }

        if (isTerminal && id.Length > 0 && progress is { } moved && _total.Take(id, message.Text("status"), moved) && _total.Describe() is { } total)
        {
            DisplayTotal(total);
        }

        output.Flush();
    }

    private void DisplayTotal(string text)
    {
        if (!_lines.TryGetValue(TransferTotal.Name, out var line))
        {
            _lines[TransferTotal.Name] = line = _lines.Count;
            output.Write("\n");
        }

        var up = _lines.Count - line;
        Move(up, 'A');
        output.Write($"\x1b[2K{text}\r");
        Move(up, 'B');
    }

    private static string? Failure(JsonElement message)
    {
        if (message.Member("errorDetail") is { } detail)
        {
            return detail.Number("code") == 401 ? "authentication is required" : detail.Text("message") is { Length: > 0 } text ? text : message.Text("error");
        }

        return message.Text("error") is { Length: > 0 } error ? error : null;
    }

    private void Move(int lines, char direction)
    {
        if (isTerminal && lines > 0)
        {
            output.Write($"\x1b[{lines}{direction}");
        }
    }

    private void Display(JsonElement message, string id, JsonElement? progress)
    {
        var bar = progress is { } detail ? Bar(detail) : "";
        if (isTerminal && bar.Length > 0 && id.Length > 0)
        {
            bar += Speed(id, message.Text("status"), progress!.Value.Number("current"));
        }

        var text = message.Text("stream");
        var end = "";
        if (isTerminal && text.Length == 0 && progress is not null)
        {
            output.Write("\x1b[2K");
            end = "\r";
        }
        else if (!isTerminal && bar.Length > 0)
        {
            return;
        }

        if (id.Length > 0)
        {
            output.Write($"{id}: ");
        }

        if (message.Text("from") is { Length: > 0 } from)
        {
            output.Write($"(from {from}) ");
        }

        var status = message.Text("status");
        output.Write(
            progress is not null && isTerminal ? $"{status} {bar}{end}"
            : text.Length > 0 ? text + end
            : $"{status}{end}\n");
    }

    /// <summary>"[====>     ]  1.2MB/4.3MB": the bar only where the terminal is wide enough for it.</summary>
    private string Bar(JsonElement progress)
    {
        var (current, total) = (progress.Number("current"), progress.Number("total"));
        if (current <= 0 && total <= 0)
        {
            return "";
        }

        var units = progress.Text("units");
        if (total <= 0)
        {
            return units.Length == 0 ? Human.Size(current).PadLeft(8) : string.Create(CultureInfo.InvariantCulture, $"{current} {units}");
        }

        var filled = Math.Min(BarWidth, (int)((double)current / total * 100) / 2);
        var columns = Posix.GetWindowSize(fd)?.Columns is > 0 and var width ? width : AssumedColumns;
        var bar = columns > NarrowTerminal ? $"[{new string('=', filled)}>{new string(' ', BarWidth - filled)}] " : "";
        var numbers = progress.Truth("hidecounts") ? ""
            : units.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $"{current}{(current > total ? "" : $"/{total}")} {units}")
            : current > total ? Human.Size(current).PadLeft(8)
            : $"{Human.Size(current).PadLeft(8)}/{Human.Size(total)}";
        return bar + numbers + TimeLeft(progress, current, total, filled, columns);
    }

    private string Speed(string id, string status, long current)
    {
        if (!TransferTotal.IsTransfer(status))
        {
            return "";
        }

        if (!_rates.TryGetValue(id, out var meter))
        {
            _rates[id] = meter = new RateMeter(_clock);
        }

        meter.Move(current);
        return meter.Rate is { } rate ? $"  {Human.Size(rate)}/s" : "";
    }

    private string TimeLeft(JsonElement progress, long current, long total, int filled, int columns)
    {
        var start = progress.Number("start");
        if (start <= 0 || current <= 0 || filled >= BarWidth || columns <= 50)
        {
            return "";
        }

        var elapsed = (_clock.GetUtcNow() - Human.Unix(start)).TotalSeconds;
        var left = (long)(elapsed / current * (total - current));
        return " " + Values.GoDuration.Format(left * 1_000_000_000);
    }
}
