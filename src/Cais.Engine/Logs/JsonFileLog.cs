using System.Buffers;
using System.IO.Compression;
using Cais.Engine.Io;
using Cais.Linux.Status;
using Microsoft.Win32.SafeHandles;

namespace Cais.Engine.Logs;

/// <summary>
/// A container's output on disk, in docker's json-file format and file names: <c>id-json.log</c> being written, <c>id-json.log.1</c> the one before, and
/// so on. Append from any thread; any number of readers at once, each of which sees every line once, whatever is rotated meanwhile.
/// </summary>
internal sealed class JsonFileLog : IDisposable
{
    private readonly Lock _gate = new();
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly string _path;
    private readonly LogOptions _options;
    private readonly byte[] _attributes;
    private SafeFileHandle _file;
    private long _size;
    private int _current;
    private bool _ended;
    private TaskCompletionSource _changed = NewSignal();

    public JsonFileLog(string path, LogOptions options)
    {
        _path = path;
        _options = options;
        _attributes = JsonLine.WriteAttributes(options.Attributes);
        _file = OpenForAppend(path);
        _size = CutTornLine(_file);
        _current = options.MaxFiles;
    }

    public string Path => _path;

    /// <summary>Writes entries to the file, in one write, and wakes those who follow.</summary>
    public void Append(StreamKind stream, DateTimeOffset time, ReadOnlySpan<byte> line)
    {
        lock (_gate)
        {
            if (_ended)
            {
                return;
            }

            JsonLine.Write(_buffer, time, stream, line, _attributes);
            if (_buffer.WrittenCount >= 64 << 10)
            {
                WriteOut();
            }
        }
    }

    /// <summary>Brings what was appended to the file. A burst of lines costs one write.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            if (!_ended && _buffer.WrittenCount > 0)
            {
                WriteOut();
            }
        }
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
        RandomAccess.Write(_file, _buffer.WrittenSpan, _size);
        _size += _buffer.WrittenCount;
        _buffer.ResetWrittenCount();
        if (_options.MaxSize > 0 && _size >= _options.MaxSize)
        {
            Rotate();
        }

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
                Compress($"{_path}.1");
            }
        }

        _current++;
        _size = 0;
        _file = OpenForAppend(_path);
    }

    /// <summary>Into another file first: at no moment is the text in neither.</summary>
    private static void Compress(string path)
    {
        var temporary = path + ".gz.tmp";
        using (var from = File.OpenRead(path))
        using (var to = new GZipStream(File.Create(temporary), CompressionLevel.Fastest))
        {
            from.CopyTo(to);
        }

        File.Move(temporary, path + ".gz", overwrite: true);
        File.Delete(path);
    }

    private static SafeFileHandle OpenForAppend(string path)
    {
        var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        PathAttributes.ChangeMode(path, 0b110_100_000);
        return file;
    }

    /// <summary>A daemon that was killed in mid-write leaves half a line; what comes next must not be glued to it. Returns the size.</summary>
    private static long CutTornLine(SafeFileHandle file)
    {
        var size = RandomAccess.GetLength(file);
        var buffer = new byte[4096];
        for (var end = size; end > 0;)
        {
            var start = Math.Max(0, end - buffer.Length);
            var read = RandomAccess.Read(file, buffer.AsSpan(0, (int)(end - start)), start);
            var newline = buffer.AsSpan(0, read).LastIndexOf((byte)'\n');
            if (newline >= 0)
            {
                var keep = start + newline + 1;
                if (keep < size)
                {
                    RandomAccess.SetLength(file, keep);
                }

                return keep;
            }

            end = start;
        }

        if (size > 0)
        {
            RandomAccess.SetLength(file, 0);
        }

        return 0;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
