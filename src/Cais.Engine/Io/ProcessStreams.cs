using Cais.Engine.Logs;
using Cais.Linux.Io;

namespace Cais.Engine.Io;

/// <summary>
/// The engine's ends of one process's standard streams: named pipes whose other ends the shim holds, so that they outlive the engine. Output goes
/// to the log and to whoever is attached; input comes from one attached client.
/// </summary>
internal sealed class ProcessStreams : IDisposable
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly EventLoop _loop;
    private readonly ContainerLog? _log;
    private readonly List<DescriptorReader> _readers = [];
    private readonly List<OutputJournal> _journals = [];
    private readonly LogClock _clock = new(TimeProvider.System);
    private DescriptorWriter? _stdin;
    private int _open;

    private ProcessStreams(EventLoop loop, string prefix, OutputHub hub, ContainerLog? log, bool stdin, bool terminal)
    {
        _loop = loop;
        _log = log;
        Hub = hub;
        StdinPath = stdin ? prefix + "-stdin" : "";
        StdoutPath = prefix + "-stdout";
        // A terminal has one output; naming a second would make the shim wait for a reader that has nothing to read.
        StderrPath = terminal ? "" : prefix + "-stderr";
    }

    public OutputHub Hub { get; }

    /// <summary>The pipes' paths for the shim; empty for a stream that there is not.</summary>
    public string StdinPath { get; }

    public string StdoutPath { get; }

    public string StderrPath { get; }

    /// <summary>Ends when everything that the process wrote has been read.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Makes the pipes and begins to read.</summary>
    /// <param name="loop">Reads and writes.</param>
    /// <param name="prefix">How the pipes' paths begin.</param>
    /// <param name="hub">Who is attached.</param>
    /// <param name="log">Where its output is kept.</param>
    /// <param name="stdin">Whether it has an input.</param>
    /// <param name="terminal">Whether it has a terminal.</param>
    /// <param name="owner">Who is root where the process runs and may open its streams anew (<c>/dev/stdout</c>); null for root.</param>
    public static ProcessStreams Create(
        EventLoop loop, string prefix, OutputHub hub, ContainerLog? log, bool stdin, bool terminal, (uint User, uint Group)? owner = null)
    {
        var streams = new ProcessStreams(loop, prefix, hub, log, stdin, terminal);
        try
        {
            foreach (var path in streams.Paths)
            {
                File.Delete(path);
                Fifo.Create(path, owner: owner);
            }

            streams.Open(isNew: true, default);
            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    /// <summary>After a restart of the engine: takes up the pipes of a process that is still running.</summary>
    /// <param name="loop">Reads and writes.</param>
    /// <param name="prefix">How the pipes' paths begin.</param>
    /// <param name="hub">Who is attached.</param>
    /// <param name="log">Where its output is kept.</param>
    /// <param name="stdin">Whether it has an input.</param>
    /// <param name="terminal">Whether it has a terminal.</param>
    /// <param name="lastLogged">The time of the log's last line.</param>
    public static ProcessStreams Reopen(EventLoop loop, string prefix, OutputHub hub, ContainerLog? log, bool stdin, bool terminal, DateTimeOffset lastLogged)
    {
        var streams = new ProcessStreams(loop, prefix, hub, log, stdin, terminal);
        streams.Open(isNew: false, lastLogged);
        return streams;
    }

    /// <summary>Writes to the process's input; completes when the pipe has taken it. Does nothing when there is no input any more.</summary>
    public async ValueTask WriteInput(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        DescriptorWriter? stdin;
        lock (_gate)
        {
            stdin = _stdin;
        }

        if (stdin is not null)
        {
            await stdin.WriteAsync(data, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Closes the engine's end of the input. The shim has one too: see CloseIO.</summary>
    public void CloseInput()
    {
        lock (_gate)
        {
            _stdin?.Complete();
            _stdin = null;
        }
    }

    /// <summary>Stops reading, whatever may still come: for a process whose streams somebody else holds open.</summary>
    public void Abandon() => _ended.TrySetResult();

    public void Dispose()
    {
        lock (_gate)
        {
            _stdin?.Dispose();
            _stdin = null;
            foreach (var reader in _readers)
            {
                reader.Dispose();
            }

            _readers.Clear();
            foreach (var journal in _journals)
            {
                journal.Dispose();
            }

            _journals.Clear();
        }

        foreach (var path in Paths)
        {
            File.Delete(path);
        }

        _ended.TrySetResult();
    }

    private IEnumerable<string> Paths => new[] { StdinPath, StdoutPath, StderrPath }.Where(p => p.Length > 0);

    /// <param name="isNew">Whether nobody can have written yet. Otherwise a pipe without a writer is one whose process has ended.</param>
    /// <param name="lastLogged">What the engine before this one has logged.</param>
    private void Open(bool isNew, DateTimeOffset lastLogged)
    {
        if (StdinPath.Length > 0)
        {
            // Both ends: opening for writing alone fails until the shim has opened its end.
            _stdin = new DescriptorWriter(_loop, Fifo.OpenBoth(StdinPath));
        }

        _open = StderrPath.Length > 0 ? 2 : 1;
        Read(StdoutPath, StreamKind.Stdout, isNew, lastLogged);
        if (StderrPath.Length > 0)
        {
            Read(StderrPath, StreamKind.Stderr, isNew, lastLogged);
        }
    }

    private void Read(string path, StreamKind stream, bool isNew, DateTimeOffset lastLogged)
    {
        var log = _log;
        var feed = log is null ? null : new LogFeed(stream, log, _clock) { Written = lastLogged };
        OutputJournal? journal = null;
        if (feed is not null)
        {
            journal = isNew ? OutputJournal.Create(path + ".taken", _clock) : OutputJournal.Reopen(path + ".taken", _clock, bytes => feed.Push(bytes));
            _clock.After(lastLogged);
            feed.Written = DateTimeOffset.MinValue;
            _journals.Add(journal);
        }

        var reader = new TaskCompletionSource<DescriptorReader>();
        reader.SetResult(DescriptorReader.Start(
            _loop,
            Fifo.OpenRead(path),
            bytes =>
            {
                var logging = feed?.Push(bytes);
                var publishing = Hub.Publish(stream, bytes);
                if (logging is null && publishing is null)
                {
                    return true;
                }

                _ = ResumeAfter(Task.WhenAll(logging ?? Task.CompletedTask, publishing ?? Task.CompletedTask), reader.Task);
                return false;
            },
            _ =>
            {
                feed?.Complete();
                if (Interlocked.Decrement(ref _open) == 0)
                {
                    _ended.TrySetResult();
                }
            },
            writerMayComeLater: isNew,
            journal is null ? null : journal.Read));
        lock (_gate)
        {
            _readers.Add(reader.Task.Result);
        }
    }

    private static async Task ResumeAfter(Task congestion, Task<DescriptorReader> reader)
    {
        await congestion.ConfigureAwait(false);
        (await reader.ConfigureAwait(false)).Resume();
    }
}
