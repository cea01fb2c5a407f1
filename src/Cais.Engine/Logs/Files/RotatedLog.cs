using System.Buffers;
using System.IO.Compression;
using Cais.Engine.Logging;
using Cais.Linux.Status;
using Microsoft.Win32.SafeHandles;

namespace Cais.Engine.Logs.Files;

/// <summary>
/// A container's output on disk, in docker's file names: <c>id-json.log</c> being written, <c>id-json.log.1</c> the one before, and
/// so on. Append from any thread; any number of readers at once, each of which sees every line once, whatever is rotated meanwhile.
/// </summary>
internal sealed class RotatedLog : ILogSink
{
    private readonly Lock _gate = new();
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly CancellationTokenSource _disposing = new();
    private readonly string _path;
    private readonly ILogFormat _format;
    private readonly FileLogOptions _options;
    private readonly EngineLog? _log;
    private SafeFileHandle _file;
    private long _size;
    private int _current;
    private bool _ended;
    private bool _failing;
    private Task _compressing = Task.CompletedTask;
    private TaskCompletionSource _changed = NewSignal();

    /// <param name="path">The newest file; the older ones stand beside it.</param>
    /// <param name="format">How entries are written.</param>
    /// <param name="options">How large and how many files.</param>
    /// <param name="log">Hears of a disk that takes nothing.</param>
    public RotatedLog(string path, ILogFormat format, FileLogOptions options, EngineLog? log = null)
    {
        _path = path;
        _format = format;
        _options = options;
        _log = log;
        foreach (var left in Directory.GetFiles(System.IO.Path.GetDirectoryName(path)!, System.IO.Path.GetFileName(path) + ".*.tmp"))
        {
            File.Delete(left);
        }

        _file = OpenForAppend(path);
        _size = CutTornRecord();
        _current = options.MaxFiles;
    }

    public string Path => _path;

    public ILogFormat Format => _format;

    public void Append(in LogLine line)
    {
        lock (_gate)
        {
            if (_ended)
            {
                return;
            }

            _format.Write(_buffer, line);
            if (_buffer.WrittenCount >= 64 << 10)
            {
                WriteOut();
            }
        }
    }

    /// <summary>Brings what was appended to the file, a burst of lines in one write, and wakes those who follow.</summary>
    public Task? Flush()
    {
        lock (_gate)
        {
            if (!_ended && _buffer.WrittenCount > 0)
            {
                WriteOut();
            }
        }

        return null;
    }

    /// <summary>No more will come: followers read to the end and stop.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            if (!_ended)
            {
                if (_buffer.WrittenCount > 0)
                {
                    WriteOut();
                }

                _ended = true;
                _changed.TrySetResult();
            }
        }
    }

    public void Dispose()
    {
        Complete();
        _disposing.Cancel();

        // Looks at the token between blocks: soon.
        _compressing.Wait();
        _disposing.Dispose();
        lock (_gate)
        {
            _file.Dispose();
        }
    }

    /// <summary>All files of a container's log, the one being written first.</summary>
    public static IEnumerable<string> Files(string path)
    {
        for (var i = 0; ; i++)
        {
            var name = i == 0 ? path : $"{path}.{i}";
            if (File.Exists(name))
            {
                yield return name;
            }
            else if (File.Exists(name + ".gz"))
            {
                yield return name + ".gz";
            }
            else if (i > 0)
            {
                yield break;
            }
        }
    }

    /// <summary>Whether more may come, and a task that ends when something has changed since.</summary>
    internal (bool Ended, int Current, Task Changed) State
    {
        get
        {
            lock (_gate)
            {
                return (_ended, _current, _changed.Task);
            }
        }
    }

    /// <summary>Opens what is now at a place in the sequence of files; null when it has been dropped or never was.</summary>
    internal Stream? OpenSegment(int number)
    {
        lock (_gate)
        {
            return OpenSegment(_path, _current - number);
        }
    }

    /// <summary>The first file that is still there, and the last.</summary>
    internal (int First, int Last) Segments
    {
        get
        {
            lock (_gate)
            {
                return (_current - Files(_path).Count() + 1, _current);
            }
        }
    }

    internal static Stream? OpenSegment(string path, int age)
    {
        var name = age == 0 ? path : $"{path}.{age}";
        try
        {
            if (File.Exists(name))
            {
                return new FileStream(name, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1, useAsync: false);
            }

            return age > 0 && File.Exists(name + ".gz")
                ? new GZipStream(new FileStream(name + ".gz", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), CompressionMode.Decompress)
                : null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private void WriteOut()
    {
        try
        {
            RandomAccess.Write(_file, _buffer.WrittenSpan, _size);
            _size += _buffer.WrittenCount;
            if (_options.MaxSize > 0 && _size >= _options.MaxSize)
            {
                Rotate();
            }

            if (_failing)
            {
                _failing = false;
                _log?.Info("the container's log is written again", ("file", _path));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk costs lines; it must not cost the container, which knows nothing of its log.
            if (!_failing)
            {
                _failing = true;
                _log?.Error("the container's log cannot be written: lines are lost", ("file", _path), ("error", e.Message));
            }
        }

        _buffer.ResetWrittenCount();
        var changed = _changed;
        _changed = NewSignal();
        changed.TrySetResult();
    }

    private void Rotate()
    {
        _file.Dispose();
        if (_options.MaxFiles == 1)
        {
            // As docker does with one file: begin it again. Who reads the old one reads it to its end.
            File.Delete(_path);
        }
        else
        {
            File.Delete($"{_path}.{_options.MaxFiles - 1}");
            File.Delete($"{_path}.{_options.MaxFiles - 1}.gz");
            for (var i = _options.MaxFiles - 1; i >= 1; i--)
            {
                var from = i == 1 ? _path : $"{_path}.{i - 1}";
                foreach (var suffix in (ReadOnlySpan<string>)["", ".gz"])
                {
                    if (File.Exists(from + suffix))
                    {
                        File.Move(from + suffix, $"{_path}.{i}{suffix}", overwrite: true);
                    }
                }
            }

            if (_options.Compress)
            {
                var finished = _current;
                _compressing = _compressing.ContinueWith(
                    _ => Compress(finished), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }

        _current++;
        _size = 0;
        _file = OpenForAppend(_path);
    }

    /// <summary>
    /// Not on the thread that reads the container's pipes, which serves all containers. Into another file first: at no moment is the text in neither.
    /// The file may grow older meanwhile.
    /// </summary>
    private void Compress(int number)
    {
        var temporary = $"{_path}.{number}.tmp";
        try
        {
            var token = _disposing.Token;
            using (var from = OpenSegment(number))
            {
                if (from is not FileStream)
                {
                    return;
                }

                using var to = new GZipStream(File.Create(temporary), CompressionLevel.Fastest);
                var block = new byte[128 << 10];
                int read;
                while ((read = from.Read(block)) > 0)
                {
                    token.ThrowIfCancellationRequested();
                    to.Write(block, 0, read);
                }
            }

            lock (_gate)
            {
                var path = $"{_path}.{_current - number}";
                if (File.Exists(path) && !_disposing.IsCancellationRequested)
                {
                    File.Move(temporary, path + ".gz", overwrite: true);
                    File.Delete(path);
                    return;
                }
            }

            File.Delete(temporary);
        }
        catch (OperationCanceledException)
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log?.Warn("a container's log could not be compressed", ("file", _path), ("error", e.Message));
        }
    }

    private static SafeFileHandle OpenForAppend(string path)
    {
        var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        PathAttributes.ChangeMode(path, 0b110_100_000);
        return file;
    }

    /// <summary>A daemon that was killed in mid-write leaves half a record; what comes next must not be glued to it. Returns the size.</summary>
    private long CutTornRecord()
    {
        var whole = _format.WholeLength(_file);
        if (whole < RandomAccess.GetLength(_file))
        {
            RandomAccess.SetLength(_file, whole);
        }

        return whole;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
