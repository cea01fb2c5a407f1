using System.Runtime.CompilerServices;

namespace Cais.Engine.Logs;

/// <summary>Reads a container's log, from its files and, when following, from what is still being written.</summary>
internal static class JsonFileReader
{
    private const int BlockSize = 64 << 10;

    /// <param name="path">The newest file.</param>
    /// <param name="live">The log being written, or null when the container is not running: then there is nothing to follow.</param>
    /// <param name="query">What to read.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static async IAsyncEnumerable<(LogEntry Entry, string? Attributes)> Read(
        string path, JsonFileLog? live, LogQuery query, [EnumeratorCancellation] CancellationToken cancellation)
    {
        live?.Flush();
        var (first, last) = live?.Segments ?? (1 - JsonFileLog.Files(path).Count(), 0);
        Stream? Open(int number) => live is not null ? live.OpenSegment(number) : JsonFileLog.OpenSegment(path, -number);

        var skip = 0L;
        var number = first;
        if (query.Tail is { } tail)
        {
            (number, skip) = FindTail(Open, first, last, tail);
        }

        var stream = Open(number);
        try
        {
            var lines = new LineReader();
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                // Taken before the read: what is appended after it is seen by the next one.
                var state = live?.State;
                if (stream is not null)
                {
                    while (lines.TryFill(stream))
                    {
                        while (lines.TryNext(out var line))
                        {
                            if (skip > 0)
                            {
                                skip--;
                                continue;
                            }

                            if (!JsonLine.TryRead(line.Span, out var entry, out var attributes))
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
                    lines = new LineReader();
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
    private static (int Number, long Skip) FindTail(Func<int, Stream?> open, int first, int last, int tail)
    {
        var missing = (long)tail;
        for (var number = last; number >= first; number--)
        {
            using var stream = open(number);
            var count = stream is null ? 0 : CountLines(stream);
            if (count >= missing || number == first)
            {
                return (number, Math.Max(0, count - missing));
            }

            missing -= count;
        }

        return (first, 0);
    }

    private static long CountLines(Stream stream)
    {
        var buffer = new byte[BlockSize];
        var count = 0L;
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            count += buffer.AsSpan(0, read).Count((byte)'\n');
        }

        return count;
    }

    /// <summary>Cuts a growing file into lines; a line without its newline waits for the rest.</summary>
    private sealed class LineReader
    {
        private byte[] _buffer = new byte[BlockSize];
        private int _start;
        private int _end;

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

        public bool TryNext(out ReadOnlyMemory<byte> line)
        {
            var newline = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (newline < 0)
            {
                line = default;
                return false;
            }

            line = _buffer.AsMemory(_start, newline + 1);
            _start += newline + 1;
            return true;
        }
    }
}
