namespace Cais.Cli.Formatting;

/// <summary>How fast something moves: bytes a second over the last few seconds.</summary>
internal sealed class RateMeter(TimeProvider clock)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(300);

    private readonly Queue<(DateTimeOffset At, long Position)> _samples = [];
    private (DateTimeOffset At, long Position)? _last;

    /// <summary>Bytes a second; null until enough is known.</summary>
    public long? Rate => _last is { } last && _samples.TryPeek(out var first) && last.At - first.At >= Shortest && last.Position >= first.Position
        ? (long)((last.Position - first.Position) / (last.At - first.At).TotalSeconds)
        : null;

    /// <summary>Notes where it is now.</summary>
    public void Move(long position)
    {
        var now = clock.GetUtcNow();
        if (_last is { } last && position < last.Position)
        {
            // It began anew.
            _samples.Clear();
        }

        _last = (now, position);
        _samples.Enqueue((now, position));
        while (_samples.TryPeek(out var first) && now - first.At > Window && _samples.Count > 2)
        {
            _samples.Dequeue();
        }
    }
}
