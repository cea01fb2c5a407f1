using System.Runtime.CompilerServices;

namespace Cais.Engine.Logs.Files;

/// <summary>Reads a container's log, from its files and, when following, from what is still being written.</summary>
internal static class RotatedLogReader
{
    private const int BlockSize = 64 << 10;

    /// <param name="format">How entries are written.</param>
    /// <param name="path">The newest file.</param>
    /// <param name="live">The log being written, or null when the container is not running: then there is nothing to follow.</param>
    /// <param name="query">What to read.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static async IAsyncEnumerable<(LogEntry Entry, string? Attributes)> Read(
        ILogFormat format, string path, RotatedLog? live, LogQuery query, [EnumeratorCancellation] CancellationToken cancellation)
    {
        _ = live?.Flush();
        var (first, last) = live?.Segments ?? (1 - RotatedLog.Files(path).Count(), 0);
        Stream? Open(int number) => live is not null ? live.OpenSegment(number) : RotatedLog.OpenSegment(path, -number);

        var skip = 0L;
        var number = first;
        if (query.Tail is { } tail)
        {
            (number, skip) = FindTail(format, Open, first, last, tail);
        }

        var stream = Open(number);
        try
        {
            var records = new RecordReader(format);
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                // Taken before the read: what is appended after it is seen by the next one.
                var state = live?.State;
                if (stream is not null)
                {
                    while (records.TryFill(stream))
                    {
                        while (records.TryNext(out var record))
                        {
                            if (skip > 0)
                            {
                                skip--;
                                continue;
                            }

                            if (!format.TryRead(record.Span, out var entry, out var attributes))
                            {
                                continue;
                            }

                            if (entry.Time > query.Until)
                            {
                                yield break;
                            }

                            if (Wanted(entry, query))
                            {
                                yield return (entry, attributes);
                            }
                        }

                        cancellation.ThrowIfCancellationRequested();
                    }
                }

                if (number < (state?.Current ?? last))
                {
                    stream?.Dispose();
                    stream = Open(++number);
                    records = new RecordReader(format);
                    continue;
                }

                if (!query.Follow || state is not { } now || now.Ended)
                {
                    yield break;
                }

                await now.Changed.WaitAsync(cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            stream?.Dispose();
        }
    }

    private static bool Wanted(LogEntry entry, LogQuery query) =>
        (entry.Stream == Io.StreamKind.Stderr ? query.Stderr : query.Stdout) && !(entry.Time < query.Since);

    /// <summary>Where the last <paramref name="tail"/> lines begin: the file, and how many of its lines to pass over.</summary>
    private static (int Number, long Skip) FindTail(ILogFormat format, Func<int, Stream?> open, int first, int last, int tail)
    {
        var missing = (long)tail;
        for (var number = last; number >= first; number--)
        {
            using var stream = open(number);
            var count = stream is null ? 0 : format.Count(stream);
            if (count >= missing || number == first)
            {
                return (number, Math.Max(0, count - missing));
            }

            missing -= count;
        }

        return (first, 0);
    }

    /// <summary>Cuts a growing file into records; one that is not all there waits for the rest. What follows damage is passed over.</summary>
    private sealed class RecordReader(ILogFormat format)
    {
        private byte[] _buffer = new byte[BlockSize];
        private int _start;
        private int _end;
        private bool _damaged;

        /// <summary>Reads what there is; false at the end of what has been written so far.</summary>
        public bool TryFill(Stream stream)
        {
            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _start = 0;
            }

            if (_end == _buffer.Length)
            {
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            var read = stream.Read(_buffer, _end, _buffer.Length - _end);
            _end += read;
            return read > 0;
        }

        public bool TryNext(out ReadOnlyMemory<byte> record)
        {
            record = default;
            var length = _damaged ? ILogFormat.Damaged : format.LengthOf(_buffer.AsSpan(_start, _end - _start));
            if (length == ILogFormat.Damaged)
            {
                _damaged = true;
                _start = _end;
                return false;
            }

            record = _buffer.AsMemory(_start, length);
            _start += length;
            return length > 0;
        }
    }
}
