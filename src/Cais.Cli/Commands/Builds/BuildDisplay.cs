using System.Globalization;
using System.Text;
using Cais.Api;
using Cais.Cli.Formatting;
using Cais.Oci;

namespace Cais.Cli.Commands.Builds;

/// <summary>Shows a build's events. Fed from one thread.</summary>
internal abstract class BuildDisplay
{
    private const int TailLines = 20;

    private readonly Dictionary<string, BuildStep> _steps = [];

    /// <summary>The build's steps in the order in which they were first heard of.</summary>
    protected List<BuildStep> Steps { get; } = [];

    public static BuildDisplay Create(string mode, Session session)
    {
        var isTerminal = session.Streams.ErrIsTerminal;
        return mode switch
        {
            "quiet" or "none" => new SilentDisplay(),
            "rawjson" => new JsonDisplay(session.Err),
            "plain" => new PlainDisplay(session.Err),
            "tty" when !isTerminal => throw new CommandLine.CommandException("failed to get console: provided file is not a console"),
            "tty" => new TerminalDisplay(session.Err),
            "auto" or "" => isTerminal ? new TerminalDisplay(session.Err) : new PlainDisplay(session.Err),
            _ => throw new CommandLine.CommandException($"invalid progress type \"{mode}\": auto, plain, quiet, rawjson and tty are known"),
        };
    }

    public virtual void Show(BuildEvent line)
    {
        foreach (var vertex in line.Vertexes ?? [])
        {
            var step = StepOf(vertex.Digest, vertex.Name);
            var isNew = step.Started is null;
            (step.Started, step.Completed, step.IsCached, step.Error) = (vertex.Started ?? step.Started, vertex.Completed, vertex.Cached == true, vertex.Error);
            Changed(step, isNew);
        }

        foreach (var status in line.Statuses ?? [])
        {
            if (_steps.TryGetValue(status.Vertex, out var step))
            {
                Progressed(step, status);
            }
        }

        foreach (var log in line.Logs ?? [])
        {
            if (_steps.TryGetValue(log.Vertex, out var step))
            {
                step.Add(log, text => Said(step, text));
            }
        }
    }

    /// <summary>Nothing more comes.</summary>
    public virtual void Finish()
    {
    }

    /// <summary>The last lines of what a failed step said, with times.</summary>
    public IReadOnlyList<string> TailOf(string vertex) => _steps.TryGetValue(vertex, out var step) ? step.Tail(TailLines) : [];

    public string? NameOf(string vertex) => _steps.TryGetValue(vertex, out var step) ? step.Name : null;

    protected virtual void Changed(BuildStep step, bool isNew)
    {
    }

    protected virtual void Progressed(BuildStep step, BuildStatus status)
    {
    }

    protected virtual void Said(BuildStep step, string line)
    {
    }

    private BuildStep StepOf(string digest, string name)
    {
        if (!_steps.TryGetValue(digest, out var step))
        {
            _steps[digest] = step = new BuildStep(Steps.Count + 1, name);
            Steps.Add(step);
        }

        return step;
    }

    private sealed class SilentDisplay : BuildDisplay;

    /// <summary>Events as they come, for programs.</summary>
    private sealed class JsonDisplay(TextWriter output) : BuildDisplay
    {
        public override void Show(BuildEvent line)
        {
            base.Show(line);
            var shown = new BuildEvent { Vertexes = line.Vertexes, Statuses = line.Statuses, Logs = line.Logs, Warnings = line.Warnings };
            if (shown != new BuildEvent())
            {
                output.Write(System.Text.Encoding.UTF8.GetString(PlainJson.Bytes(shown, ApiJson.Default.BuildEvent)) + "\n");
            }
        }
    }
}

/// <summary>One step as it is shown.</summary>
internal sealed class BuildStep(int number, string name)
{
    private const int MostLines = 200;

    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder _line = new();
    private readonly Queue<string> _lines = [];

    public int Number { get; } = number;

    public string Name { get; } = name;

    public DateTimeOffset? Started { get; set; }

    public DateTimeOffset? Completed { get; set; }

    public bool IsCached { get; set; }

    public string? Error { get; set; }

    public bool IsRunning => Started is not null && Completed is null;

    public double Seconds(DateTimeOffset now) => Started is { } started ? Math.Max(0, ((Completed ?? now) - started).TotalSeconds) : 0;

    public IReadOnlyList<string> Tail(int count) => [.. (_line.Length > 0 ? _lines.Append(_line.ToString()) : _lines).TakeLast(count)];

    public void Add(BuildLog log, Action<string> line)
    {
        var time = Started is { } started && log.Timestamp is { } at ? Math.Max(0, (at - started).TotalSeconds) : 0;
        Span<char> text = new char[Encoding.UTF8.GetMaxCharCount(log.Data.Length)];
        text = text[.._decoder.GetChars(log.Data, text, flush: false)];
        foreach (var c in text)
        {
            if (c != '\n')
            {
                if (_line.Length == 0)
                {
                    _line.Append(string.Create(CultureInfo.InvariantCulture, $"{time:0.000} "));
                }

                _line.Append(c);
                continue;
            }

            var whole = _line.Length == 0 ? string.Create(CultureInfo.InvariantCulture, $"{time:0.000} ") : _line.ToString();
            _line.Clear();
            _lines.Enqueue(whole.TrimEnd('\r'));
            if (_lines.Count > MostLines)
            {
                _lines.Dequeue();
            }

            line(whole.TrimEnd('\r'));
        }
    }
}

/// <summary>Line after line, each step with its number: for logs and pipes.</summary>
internal sealed class PlainDisplay(TextWriter output) : BuildDisplay
{
    private int _last;

    protected override void Changed(BuildStep step, bool isNew)
    {
        if (isNew)
        {
            Turn(step);
            output.Write($"#{step.Number} {step.Name}\n");
        }

        if (step.Completed is null)
        {
            return;
        }

        Turn(step);
        if (step.Error is { } error)
        {
            output.Write($"#{step.Number} {(error == "context canceled" ? "CANCELED" : "ERROR: " + error)}\n");
        }
        else if (step.IsCached)
        {
            output.Write($"#{step.Number} CACHED\n");
        }
        else
        {
            output.Write(string.Create(CultureInfo.InvariantCulture, $"#{step.Number} DONE {step.Seconds(DateTimeOffset.UtcNow):0.0}s\n"));
        }

        output.Write("\n");
        _last = 0;
    }

    protected override void Progressed(BuildStep step, BuildStatus status)
    {
        Turn(step);
        var size = status.Current is { } current ? status.Total is { } total ? $" {Human.Size(current)} / {Human.Size(total)}" : $" {Human.Size(current)}" : "";
        output.Write($"#{step.Number} {status.Id}{size}{(status.Completed is null ? "" : " done")}\n");
    }

    protected override void Said(BuildStep step, string line)
    {
        Turn(step);
        output.Write($"#{step.Number} {line}\n");
    }

    /// <summary>Another step speaks: says which.</summary>
    private void Turn(BuildStep step)
    {
        if (_last != 0 && _last != step.Number)
        {
            output.Write($"\n#{step.Number} ...\n");
        }

        _last = step.Number;
    }
}

/// <summary>On a terminal: one line a step, redrawn in place, and below the steps at work the last of what they say.</summary>
internal sealed class TerminalDisplay(TextWriter output) : BuildDisplay
{
    private const int LogLines = 6;
    private const string Up = "\e[1A";
    private const string ClearLine = "\e[2K";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly DateTimeOffset _begun = DateTimeOffset.UtcNow;
    private DateTimeOffset _drawn;
    private int _height;

    public override void Show(BuildEvent line)
    {
        base.Show(line);
        if (DateTimeOffset.UtcNow - _drawn > Interval)
        {
            Draw(isLast: false);
        }
    }

    public override void Finish() => Draw(isLast: true);

    private void Draw(bool isLast)
    {
        var now = _drawn = DateTimeOffset.UtcNow;
        var (columns, rows) = Terminal.Posix.GetWindowSize(2) is { } size ? (Math.Max(20, (int)size.Columns), Math.Max(8, (int)size.Rows)) : (80, 24);
        var lines = new List<string>();
        var done = Steps.Count(s => s.Completed is not null);
        lines.Add(string.Create(CultureInfo.InvariantCulture, $"[+] Building {(now - _begun).TotalSeconds:0.0}s ({done}/{Steps.Count}){(isLast && Steps.All(s => s.Error is null) ? " FINISHED" : "")}"));
        foreach (var step in Steps)
        {
            var mark = step.Error is not null ? "ERROR " : step.IsCached ? "CACHED " : "";
            var time = string.Create(CultureInfo.InvariantCulture, $"{step.Seconds(now):0.0}s");
            var left = $" => {mark}{step.Name}";
            var room = columns - time.Length - 1;
            lines.Add((left.Length > room ? left[..Math.Max(4, room - 3)] + "..." : left.PadRight(room)) + " " + time);
            if (step.IsRunning && !isLast)
            {
                lines.AddRange(step.Tail(LogLines).Select(l => Fit($" => => # {Printable(l)}", columns)));
            }
        }

        if (!isLast && lines.Count > rows - 1)
        {
            lines = [lines[0], .. lines.Skip(lines.Count - rows + 2)];
        }

        var text = new StringBuilder();
        for (var i = 0; i < _height; i++)
        {
            text.Append(Up).Append(ClearLine);
        }

        for (var i = 0; i < lines.Count; i++)
        {
            text.Append(i == 0 ? lines[i] : Fit(lines[i], columns)).Append('\n');
        }

        output.Write(text.ToString());
        _height = lines.Count;
    }

    private static string Fit(string text, int columns) => text.Length > columns ? text[..columns] : text;

    private static string Printable(string text) => string.Concat(text.Where(c => !char.IsControl(c)));
}
