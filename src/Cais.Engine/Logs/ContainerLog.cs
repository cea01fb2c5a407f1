using Cais.Engine.Logs.Files;

namespace Cais.Engine.Logs;

/// <summary>One run's log: the files that <c>docker logs</c> reads, and the receiver that the driver names, whichever there are.</summary>
internal sealed class ContainerLog(ILogSink? first, ILogSink? second, RotatedLog? files) : ILogSink
{
    /// <summary>What can be read back; null when nothing can.</summary>
    public RotatedLog? Files => files;

    public void Append(in LogLine line)
    {
        first?.Append(line);
        second?.Append(line);
    }

    public Task? Flush()
    {
        var one = first?.Flush();
        var other = second?.Flush();
        return one is null ? other : other is null ? one : Task.WhenAll(one, other);
    }

    public void Dispose()
    {
        first?.Dispose();
        second?.Dispose();
    }
}
