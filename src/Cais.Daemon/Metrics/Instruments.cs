using System.Diagnostics;
using System.Globalization;

namespace Cais.Daemon.Metrics;

/// <summary>Numbers that can be read in Prometheus's text format.</summary>
internal abstract class Instrument(string name, string help, string type)
{
    public void Write(TextWriter to)
    {
        to.Write($"# HELP {name} {help}\n# TYPE {name} {type}\n");
        WriteSamples(to);
    }

    protected string Name => name;

    protected abstract void WriteSamples(TextWriter to);

    protected static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>Prometheus, "Exposition formats": backslash, quote and newline are escaped in label values.</summary>
    protected static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}

/// <summary>A number that is looked up when somebody asks: a counter that something else keeps, or a state. One sample per label value.</summary>
internal sealed class Observed(string name, string help, string type, string? label, Func<IEnumerable<(string Value, double Number)>> read) : Instrument(name, help, type)
{
    public Observed(string name, string help, string type, Func<double> read) : this(name, help, type, null, () => [("", read())])
    {
    }

    protected override void WriteSamples(TextWriter to)
    {
        foreach (var (value, number) in read())
        {
            to.Write(label is null ? Name : $"{Name}{{{label}=\"{Escape(value)}\"}}");
            to.Write($" {Number(number)}\n");
        }
    }
}

/// <summary>The constant 1, with facts as labels.</summary>
internal sealed class Facts(string name, string help, IReadOnlyList<(string Label, string Value)> facts) : Instrument(name, help, "gauge")
{
    protected override void WriteSamples(TextWriter to) =>
        to.Write($"{Name}{{{string.Join(',', facts.Select(f => $"{f.Label}=\"{Escape(f.Value)}\""))}}} 1\n");
}

/// <summary>How long things of a kind took, in seconds, in dockerd's buckets.</summary>
internal sealed class Durations : Instrument
{
    private static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, double.PositiveInfinity];

    private readonly string _label;
    private readonly Dictionary<string, Series> _series;

    /// <param name="name">The metric's.</param>
    /// <param name="help">What it measures.</param>
    /// <param name="label">The label that tells kinds apart.</param>
    /// <param name="kinds">All kinds, each of which is there from the start.</param>
    public Durations(string name, string help, string label, IReadOnlyList<string> kinds) : base(name, help, "histogram")
    {
        _label = label;
        _series = kinds.ToDictionary(k => k, _ => new Series());
    }

    public void Record(string kind, TimeSpan took)
    {
        var series = _series[kind];
        lock (series)
        {
            series.Counts[Array.FindIndex(Bounds, b => took.TotalSeconds <= b)]++;
            series.Sum += took.TotalSeconds;
        }
    }

    /// <summary>Since a <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public void RecordSince(string kind, long started) => Record(kind, Stopwatch.GetElapsedTime(started));

    protected override void WriteSamples(TextWriter to)
    {
        foreach (var (kind, series) in _series)
        {
            long[] counts;
            double sum;
            lock (series)
            {
                (counts, sum) = ([.. series.Counts], series.Sum);
            }

            var total = 0L;
            for (var i = 0; i < Bounds.Length; i++)
            {
                total += counts[i];
                to.Write($"{Name}_bucket{{{_label}=\"{kind}\",le=\"{Number(Bounds[i])}\"}} {total}\n");
            }

            to.Write($"{Name}_sum{{{_label}=\"{kind}\"}} {Number(sum)}\n{Name}_count{{{_label}=\"{kind}\"}} {total}\n");
        }
    }

    private sealed class Series
    {
        public long[] Counts { get; } = new long[Bounds.Length];

        public double Sum { get; set; }
    }
}
