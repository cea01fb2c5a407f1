using System.Buffers.Binary;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Linux.Io;

namespace Cais.Engine.Io;

/// <summary>
/// Keeps what was taken out of a pipe until it is in the log, so that an engine that is killed in between loses nothing and writes nothing twice.
/// </summary>
/// <remarks>
/// Bytes go from the pipe into a file by splice(2): whenever the engine dies, each is in the one or in the other. Before that, the file's head says where what is not
/// yet logged begins, and which time its first line will get; lines get rising times (<see cref="LogClock"/>). A new engine cuts the rest of the file into the same
/// lines, gives them the same times, and passes over those that are not later than the log's last. Nothing has to be written after a line was logged.
/// </remarks>
internal sealed class OutputJournal : IDisposable
{
    private const int HeadSize = 16;

    /// <summary>A log cuts longer lines into pieces of this length (<see cref="Logs.LineSplitter.LongestPiece"/>).</summary>
    private const int LongestPiece = Logs.LineSplitter.LongestPiece;

    /// <summary>With a line that does not end, the file is begun anew when it is this long.</summary>
    private const int LongestFile = 1 << 20;

    private readonly string _path;
    private readonly LogClock _clock;
    private FileDescriptor _file;
    private long _end = HeadSize;
    private int _partial;

    private OutputJournal(string path, LogClock clock, FileDescriptor file)
    {
        _path = path;
        _clock = clock;
        _file = file;
    }

    /// <summary>For a new process.</summary>
    public static OutputJournal Create(string path, LogClock clock)
    {
        File.Delete(path);
        var journal = new OutputJournal(path, clock, OpenFile(path));
        journal.Rewind();
        return journal;
    }

    /// <summary>For a process that another engine served. What that had taken and may not have logged goes to <paramref name="rest"/>, by <see cref="LogClock"/>'s old times.</summary>
    public static OutputJournal Reopen(string path, LogClock clock, Action<ReadOnlySpan<byte>> rest)
    {
        var journal = new OutputJournal(path, clock, OpenFile(path));
        var length = FileAt.Status(journal._file.Number, "\0"u8, out var status) < 0 ? 0 : status.Size;
        Span<byte> head = stackalloc byte[HeadSize];
        if (length < HeadSize || FileAt.Read(journal._file.Number, head, 0) != HeadSize)
        {
            journal.Rewind();
            return journal;
        }

        var from = BinaryPrimitives.ReadInt64LittleEndian(head);
        clock.Resume(BinaryPrimitives.ReadInt64LittleEndian(head[8..]));
        var buffer = new byte[64 << 10];
        for (var at = Math.Max(from, HeadSize); at < length;)
        {
            var count = Check(FileAt.Read(journal._file.Number, buffer, at), "read", path);
            if (count == 0)
            {
                break;
            }

            rest(buffer.AsSpan(0, count));
            journal.Count(buffer.AsSpan(0, count));
            at += count;
        }

        journal._end = length;
        Check((int)Math.Min(FileAt.Seek(journal._file.Number, length), int.MaxValue), "seek", path);
        return journal;
    }

    /// <summary>Takes bytes out of the pipe, as <see cref="Descriptors.TryRead"/> does, everything that was taken before being in the log.</summary>
    public int Read(FileDescriptor pipe, Span<byte> buffer)
    {
        if (_partial == 0 && _end > HeadSize)
        {
            Rewind();
        }
        else if (_end > LongestFile)
        {
            BeginAnew();
        }

        WriteHead(_file, _end - _partial);
        var count = Pipe.TrySplice(pipe, _file, buffer.Length);
        if (count <= 0)
        {
            return count;
        }

        count = Check(FileAt.Read(_file.Number, buffer[..count], _end), "read", _path);
        _end += count;
        Count(buffer[..count]);
        return count;
    }

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(_path);
    }

    private static FileDescriptor OpenFile(string path) => Files.Open(path, OpenFlags.ReadWrite | OpenFlags.Create, 0b110_000_000);

    private static int Check(int result, string what, string path) =>
        result >= 0 ? result : throw new LinuxException((Errno)(-result), $"{what} {path}");

    /// <summary>How much of an unfinished line or piece there is.</summary>
    private void Count(ReadOnlySpan<byte> bytes)
    {
        var newline = bytes.LastIndexOf((byte)'\n');
        _partial = (newline < 0 ? _partial + bytes.Length : bytes.Length - newline - 1) % LongestPiece;
    }

    /// <summary>Nothing waits: the file becomes empty. A head that points behind the end says nothing waits, too.</summary>
    private void Rewind()
    {
        Check(FileAt.SetLength(_file.Number, HeadSize), "truncate", _path);
        Check((int)FileAt.Seek(_file.Number, HeadSize), "seek", _path);
        _end = HeadSize;
        _partial = 0;
    }

    /// <summary>Only the unfinished line goes on, in a file that takes this one's place when it is complete.</summary>
    private void BeginAnew()
    {
        var rest = new byte[_partial];
        Check(FileAt.Read(_file.Number, rest, _end - _partial), "read", _path);
        var partial = _path + ".new";
        File.Delete(partial);
        var file = OpenFile(partial);
        WriteHead(file, HeadSize);
        Check(FileAt.Write(file.Number, rest, HeadSize), "write", partial);
        Check((int)FileAt.Seek(file.Number, HeadSize + rest.Length), "seek", partial);
        File.Move(partial, _path, overwrite: true);
        _file.Dispose();
        _file = file;
        _end = HeadSize + rest.Length;
    }

    private void WriteHead(FileDescriptor file, long from)
    {
        Span<byte> head = stackalloc byte[HeadSize];
        BinaryPrimitives.WriteInt64LittleEndian(head, from);
        BinaryPrimitives.WriteInt64LittleEndian(head[8..], _clock.Begin());
        Check(FileAt.Write(file.Number, head, 0), "write", _path);
    }
}
