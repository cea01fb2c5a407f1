using System.Diagnostics;
using System.Globalization;
using System.Text;
using Cais.Engine.Logging;

namespace Cais.Engine;

/// <summary>How long the phases of one operation took, as a line of the log; costs nothing when it is off.</summary>
internal sealed class PhaseTrace
{
    private readonly EngineLog? _log;
    private readonly StringBuilder? _phases;
    private readonly string _what;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _last;

    public PhaseTrace(string what, EngineLog log, bool enabled)
    {
        _what = what;
        _last = _start;
        if (enabled)
        {
            _log = log;
            _phases = new StringBuilder();
        }
    }

    /// <summary>A phase has ended.</summary>
    public void Mark(string phase)
    {
        if (_phases is null)
        {
            return;
        }

        var now = Stopwatch.GetTimestamp();
        _phases.Append(CultureInfo.InvariantCulture, $"{phase}={Stopwatch.GetElapsedTime(_last, now).TotalMilliseconds:0.00} ");
        _last = now;
    }

    public void Done() => _log?.Info(
        _what, ("ms", Stopwatch.GetElapsedTime(_start).TotalMilliseconds.ToString("0.00", CultureInfo.InvariantCulture)), ("phases", _phases!.ToString().TrimEnd()));
}
