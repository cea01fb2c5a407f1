using System.Globalization;
using System.Runtime.InteropServices;
using Cais.Linux.Io;

namespace Cais.Shim;

/// <summary>
/// Gives memory back once the shim has done something and turns idle, which it then is for the rest of the container's life: compacts the
/// heap, returns what both allocators hold, and unmaps the program's own pages. Those are the file's, so they come back from the page
/// cache when they are needed again.
/// </summary>
internal sealed unsafe partial class MemoryTrimmer(EventLoop loop, Action afterCollection)
{
    private const int DontNeed = 4;
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(200);

    private LoopTimer? _timer;

    /// <summary>Trims when nothing more has happened for a moment.</summary>
    public void TrimSoon()
    {
        _timer?.Dispose();
        _timer = loop.Schedule(Quiet, Trim);
    }

    private void Trim()
    {
        loop.TrimScratch();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        afterCollection();
        var program = ReadOnlyFileMappings();
        _ = malloc_trim(0);
        foreach (var (start, length) in program)
        {
            _ = madvise(start, length, DontNeed);
        }
    }

    /// <summary>
    /// Mappings that hold what the file holds and nothing else: not writable, and without a page of our own (one that was changed by
    /// relocation before it became read-only would lose that).
    /// </summary>
    private static List<(nint Start, nuint Length)> ReadOnlyFileMappings()
    {
        var mappings = new List<(nint, nuint)>();
        (nint, nuint)? candidate = null;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.StartsWith("Anonymous:", StringComparison.Ordinal))
            {
                if (candidate is { } mapping && line.EndsWith(" 0 kB", StringComparison.Ordinal))
                {
                    mappings.Add(mapping);
                }
            }
            else if (line.Length > 0 && char.IsAsciiHexDigitLower(line[0]))
            {
                candidate = ReadOnlyFile(line);
            }
        }

        return mappings;
    }

    private static (nint Start, nuint Length)? ReadOnlyFile(string line)
    {
        // 5598b4eb7000-5598b51ad000 r-xp 0000e000 fe:00 1234   /path
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 6 || words[1] is not ("r-xp" or "r--p") || !words[5].StartsWith('/') || words[0].Split('-') is not [var from, var to])
        {
            return null;
        }

        var start = nuint.Parse(from, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var end = nuint.Parse(to, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return ((nint)start, end - start);
    }

    [LibraryImport("libc")]
    private static partial int malloc_trim(nuint keep);

    [LibraryImport("libc")]
    private static partial int madvise(nint start, nuint length, int advice);
}
