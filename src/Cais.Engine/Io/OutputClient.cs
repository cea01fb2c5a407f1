using System.IO.Pipelines;

namespace Cais.Engine.Io;

/// <summary>
/// One who receives a process's output: an attached terminal, a waiting exec. Used by its <see cref="OutputHub"/> only. What it does not take yet waits for it in
/// a spool, so that the process goes on; only a client that is far behind and still taking is waited for, and one that has stopped taking is let go.
/// </summary>
#pragma warning disable CA1001 // The spool is disposed of by whoever empties it.
public sealed class OutputClient
#pragma warning restore CA1001
{
    /// <summary>How far a client may fall behind before the process waits for it, in bytes.</summary>
    internal const long Backlog = 64 << 20;

    /// <summary>Who has taken nothing for so long, and is that far behind, has stopped.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private const int Piece = 64 << 10;

    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly string _directory;
    private readonly PipeWriter _to;
    private readonly bool _framed;
    private readonly bool _stdout;
    private readonly bool _stderr;
    private OutputSpool? _waiting;
    private TaskCompletionSource? _progress;
    private bool _ended;
    private bool _gone;

    /// <param name="to">Where the bytes go. Nobody else may write to it until <see cref="Done"/> has ended.</param>
    /// <param name="framed">In frames that tell the streams apart, or the bytes alone, as for a terminal.</param>
    /// <param name="stdout">Whether it wants standard output.</param>
    /// <param name="stderr">Whether it wants standard error.</param>
    /// <param name="directory">Where on the disk output may wait for it.</param>
    public OutputClient(PipeWriter to, bool framed, bool stdout, bool stderr, string directory)
    {
        _directory = directory;
        _to = to;
        _framed = framed;
        _stdout = stdout;
        _stderr = stderr;
    }

    /// <summary>Ends when no more will come: the process's output has ended and was taken, or this client's connection has.</summary>
    public Task Done => _done.Task;

    /// <summary>
    /// Hands bytes over. False when the client is gone. When it is too far behind, <paramref name="congested"/> ends with true once it has taken some, and
    /// with false when it has to be let go.
    /// </summary>
    internal bool TrySend(StreamKind stream, ReadOnlySpan<byte> bytes, out Task<bool>? congested)
    {
        congested = null;
        if (!(stream == StreamKind.Stderr ? _stderr : _stdout))
        {
            return true;
        }

        Span<byte> header = stackalloc byte[Frame.HeaderSize];
        Frame.WriteHeader(header, stream, bytes.Length);
        header = _framed ? header : default;
        lock (_gate)
        {
            if (_gone || _ended)
            {
                return false;
            }

            try
            {
                if (_waiting is not null)
                {
                    _waiting.Add(header, bytes);
                    if (_waiting.Length >= Backlog)
                    {
                        _progress ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                        congested = Progress(_progress.Task);
                    }

                    return true;
                }

                System.Buffers.BuffersExtensions.Write(_to, header);
                System.Buffers.BuffersExtensions.Write(_to, bytes);
                var flush = _to.FlushAsync();
                if (flush.IsCompleted)
                {
                    return !flush.Result.IsCompleted;
                }

                _waiting = new OutputSpool(_directory);
                _ = Drain(flush);
                return true;
            }
            catch (Exception e) when (e is InvalidOperationException or IOException)
            {
                _gone = true;
                return false;
            }
        }
    }

    /// <summary>Nothing more will be sent: it is done when it has taken what waits.</summary>
    internal void Finish()
    {
        lock (_gate)
        {
            _ended = true;
            if (_waiting is not null && !_gone)
            {
                return;
            }
        }

        _done.TrySetResult();
    }

    /// <summary>It gets nothing more, not even what waits. Its pipe may still be in use until <see cref="Done"/>.</summary>
    internal void Abandon()
    {
        bool draining;
        lock (_gate)
        {
            _gone = true;
            draining = _waiting is not null;
        }

        if (draining)
        {
            _to.CancelPendingFlush();
        }
        else
        {
            _done.TrySetResult();
        }
    }

    private static async Task<bool> Progress(Task progress)
    {
        try
        {
            await progress.WaitAsync(Patience).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private async Task Drain(ValueTask<FlushResult> flush)
    {
        try
        {
            while (true)
            {
                var result = await flush.ConfigureAwait(false);
                lock (_gate)
                {
                    _gone |= result.IsCompleted || result.IsCanceled;
                    _progress?.TrySetResult();
                    _progress = null;
                    if (_gone || _waiting!.Length == 0)
                    {
                        break;
                    }

                    _to.Advance(_waiting.Take(_to.GetSpan(Piece)));
                    flush = _to.FlushAsync();
                }
            }
        }
        catch (Exception e) when (e is InvalidOperationException or IOException)
        {
            lock (_gate)
            {
                _gone = true;
            }
        }

        bool done;
        lock (_gate)
        {
            _waiting?.Dispose();
            _waiting = null;
            done = _ended || _gone;
        }

        if (done)
        {
            _done.TrySetResult();
        }
    }
}
