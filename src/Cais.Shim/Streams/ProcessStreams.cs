using Cais.Linux;
using Cais.Linux.Io;
using Cais.Runtime;

namespace Cais.Shim.Streams;

/// <summary>Where the request wants a process's standard streams: FIFOs, files (<c>file://</c>), a logging program (<c>binary://</c>), or nothing.</summary>
internal sealed record StreamPaths(string Input, string Output, string Error, bool Terminal);

/// <summary>When a process's input ends.</summary>
internal enum InputRule
{
    /// <summary>When it is told so (CloseIO) and the client has closed it too: a client that dies is not the end.</summary>
    EndsWhenTold,

    /// <summary>When its client, having opened it, has closed it, or when told so.</summary>
    EndsWithClient,
}

/// <summary>
/// A process's standard streams. Without a terminal the process gets the FIFOs' ends themselves and the shim copies nothing; with one, the
/// shim copies between the terminal's master and the FIFOs.
/// </summary>
/// <remarks>
/// <para>A FIFO must survive the daemon on its other end. So the shim holds a reading end of each output, never read from: the process gets
/// no SIGPIPE while no daemon reads, and what it has written waits in the FIFO, even past its exit, until <see cref="Dispose"/>. And it
/// holds a writing end of the input until <see cref="CloseInput"/>, so that a daemon's death is not the end of input.</para>
/// <para>containerd's clients expect otherwise: they close their end and that is the end of input. For them
/// (<see cref="InputRule.EndsWithClient"/>) the input is copied, because a FIFO handed to the process would seem ended before they came.</para>
/// <para>It holds no writing end of an output, so the reader sees the end exactly when the last process that has it has gone.</para>
/// </remarks>
internal sealed class ProcessStreams : IDisposable
{
    private readonly EventLoop _loop;
    private readonly StreamPaths _paths;
    private readonly InputRule _rule;
    private readonly List<FileDescriptor> _held = [];
    private readonly List<FileDescriptor> _forProcess = [];
    private FileDescriptor? _inputWriter;
    private FileDescriptor? _console;
    private FileDescriptor? _consolePeer;
    private Pump? _input;
    private Pump? _output;
    private LoggingProgram? _logger;

    private ProcessStreams(EventLoop loop, StreamPaths paths, InputRule rule)
    {
        _loop = loop;
        _paths = paths;
        _rule = rule;
    }

    /// <summary>The descriptors for the process, where there is no terminal.</summary>
    public StandardStreams ForProcess { get; private set; } = new(null, null, null);

    /// <summary>Opens what the request named. Does not wait for the other ends.</summary>
    /// <param name="loop">Copies, where there is a terminal.</param>
    /// <param name="paths">What to open.</param>
    /// <param name="rule">When the input ends.</param>
    /// <param name="owner">Host uid to give the FIFOs to, so that the process may open <c>/dev/stdout</c> again; null leaves them.</param>
    /// <param name="logger">For a logging program: what it is told of the container.</param>
    public static async Task<ProcessStreams> OpenAsync(
        EventLoop loop, StreamPaths paths, InputRule rule, uint? owner, LoggedContainer logger)
    {
        var streams = new ProcessStreams(loop, paths, rule);
        try
        {
            if (paths.Output.StartsWith("binary://", StringComparison.Ordinal))
            {
                streams._logger = await LoggingProgram.StartAsync(loop, paths.Output, logger);
            }

            if (!paths.Terminal)
            {
                streams.OpenForProcess(owner);
            }

            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    /// <summary>The process has its ends: the shim lets go of them.</summary>
    public void ReleaseProcessEnds()
    {
        foreach (var end in _forProcess)
        {
            end.Dispose();
        }

        _forProcess.Clear();
    }

    /// <summary>Takes over a terminal's master and starts copying.</summary>
    public void Attach(FileDescriptor console)
    {
        _console = console;
        Descriptors.SetNonBlocking(console, true);
        // A program that closes its terminal and opens it again must not look like the end of it.
        _consolePeer = TerminalPeer.Open(console);
        _output = Pump.Start(_loop, Descriptors.Duplicate(console), OpenTerminalOutput(), _ => _output = null);
        if (_paths.Input.Length > 0)
        {
            var reader = Fifo.OpenRead(_paths.Input);
            _inputWriter = _rule == InputRule.EndsWhenTold ? Fifo.OpenWrite(_paths.Input) : null;
            _input = Pump.Start(_loop, reader, Descriptors.Duplicate(console), _ => _input = null);
        }
    }

    /// <summary>Sets the terminal's size in characters; without a terminal nothing happens.</summary>
    public void Resize(ushort rows, ushort columns)
    {
        if (_console is not null)
        {
            Pty.Resize(_console, rows, columns);
        }
    }

    /// <summary>
    /// The process reads the end of its input after what was written; by <see cref="InputRule.EndsWhenTold"/> once the client has closed it too.
    /// </summary>
    public void CloseInput()
    {
        _inputWriter?.Dispose();
        _inputWriter = null;
        if (_rule == InputRule.EndsWithClient)
        {
            _input?.EndWhenIdle();
        }
    }

    /// <summary>
    /// The process has exited. Its outputs end when nobody else has them; for a terminal that is when all it said is copied.
    /// </summary>
    public void OnExit()
    {
        CloseInput();
        _input?.Dispose();
        _input = null;
        _consolePeer?.Dispose();
        _consolePeer = null;
    }

    /// <summary>Closes everything; what nobody has read by now is lost.</summary>
    public void Dispose()
    {
        OnExit();
        ReleaseProcessEnds();
        _output?.Dispose();
        _output = null;
        _console?.Dispose();
        _console = null;
        foreach (var end in _held)
        {
            end.Dispose();
        }

        _held.Clear();
        _logger?.Dispose();
        _logger = null;
    }

    private void OpenForProcess(uint? owner)
    {
        var input = OpenInput();
        var output = _logger?.Output ?? OpenOutput(_paths.Output);
        var error = _logger?.Error ?? OpenOutput(_paths.Error);
        ForProcess = new StandardStreams(Own(input), Own(output), Own(error));

        FileDescriptor Own(FileDescriptor end)
        {
            _forProcess.Add(end);
            if (owner is { } uid && Descriptors.IsPipe(end))
            {
                Files.ChangeOwner(end, uid, uint.MaxValue);
            }

            return end;
        }
    }

    private FileDescriptor OpenInput()
    {
        if (_paths.Input.Length == 0)
        {
            return Files.Open("/dev/null", OpenFlags.ReadOnly | OpenFlags.CloseOnExec);
        }

        var reader = Fifo.OpenRead(_paths.Input);
        if (!Descriptors.IsPipe(reader))
        {
            return reader;
        }

        if (_rule == InputRule.EndsWithClient)
        {
            // Opened while nobody writes (this end included), it is not ready before its first writer has come.
            var (forProcess, writer) = Pipe.Create();
            Descriptors.SetNonBlocking(writer, true);
            _input = Pump.Start(_loop, reader, writer, _ => _input = null);
            return forProcess;
        }

        using (reader)
        {
            // A blocking open waits for the other end: held now, it does not.
            _inputWriter = Fifo.OpenWrite(_paths.Input);
            return Fifo.OpenBlocking(_paths.Input, forWriting: false);
        }
    }

    private FileDescriptor OpenOutput(string path)
    {
        if (path.Length == 0)
        {
            return Files.Open("/dev/null", OpenFlags.WriteOnly | OpenFlags.CloseOnExec);
        }

        if (FilePath(path) is { } file)
        {
            return OpenLogFile(file);
        }

        var reader = Fifo.OpenRead(path);
        if (!Descriptors.IsPipe(reader))
        {
            reader.Dispose();
            return OpenLogFile(path);
        }

        _held.Add(reader);
        return Fifo.OpenBlocking(path, forWriting: true);
    }

    private FileDescriptor OpenTerminalOutput()
    {
        if (_logger is not null)
        {
            _logger.Error.Dispose();
            Descriptors.SetNonBlocking(_logger.Output, true);
            return _logger.Output;
        }

        var output = OpenOutput(_paths.Output);
        if (Descriptors.IsPipe(output))
        {
            Descriptors.SetNonBlocking(output, true);
        }

        return output;
    }

    private static FileDescriptor OpenLogFile(string path) =>
        Files.Open(path, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Append | OpenFlags.CloseOnExec, 0x1A4 /* 0644 */);

    private static string? FilePath(string path) =>
        path.StartsWith("file://", StringComparison.Ordinal) ? Uri.UnescapeDataString(path["file://".Length..]) : null;
}
