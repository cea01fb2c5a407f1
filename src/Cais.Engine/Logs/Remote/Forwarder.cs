using System.Net.Sockets;
using System.Security.Authentication;
using Cais.Engine.Logging;

namespace Cais.Engine.Logs.Remote;

/// <summary>
/// Carries lines to a receiver in a task of its own. A receiver that is dead costs lines when the queue is full, never the container: only one
/// that takes something, if slowly, holds a container in blocking mode, and for no longer than a send may take.
/// </summary>
internal sealed class Forwarder : ILogSink
{
    /// <summary>A line's cost in the queue beside its text, so that empty lines cannot fill the memory either.</summary>
    private const int LineOverhead = 64;

    private readonly Lock _gate = new();
    private readonly Queue<QueuedLine> _queue = new();
    private readonly ILogReceiver _receiver;
    private readonly ForwarderOptions _options;
    private readonly EngineLog _log;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly SemaphoreSlim _arrived = new(0, 1);
    private TaskCompletionSource? _room;
    private long _size;
    private long _dropped;
    private bool _completed;
    private bool _unreachable;

    public Forwarder(ILogReceiver receiver, ForwarderOptions options, EngineLog log, TimeProvider time)
    {
        (_receiver, _options, _log, _time) = (receiver, options, log, time);
        Finished = Task.Run(Run);
    }

    /// <summary>Ends when everything has been sent, or given up, after <see cref="Dispose"/>.</summary>
    public Task Finished { get; }

    /// <summary>Lines that were given up.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public void Append(in LogLine line)
    {
        var text = line.WithoutNewline;
        lock (_gate)
        {
            var full = _queue.Count > 0 && (_size + text.Length + LineOverhead > _options.LargestQueue || _queue.Count >= _options.MostLines);
            if (_completed || (full && (_options.NonBlocking || _unreachable)))
            {
                Interlocked.Increment(ref _dropped);
                return;
            }

            _queue.Enqueue(new QueuedLine(line.Stream, line.Time, text.ToArray(), line.Piece));
            _size += text.Length + LineOverhead;
        }
    }

    public Task? Flush()
    {
        lock (_gate)
        {
            if (_queue.Count > 0)
            {
                Wake();
            }

            var full = _size > _options.LargestQueue || _queue.Count >= _options.MostLines;
            if (!full || _options.NonBlocking || _unreachable || _completed)
            {
                return null;
            }

            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _room.Task;
        }
    }

    /// <summary>No more will come. What waits is still sent, in the background.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_completed)
            {
                return;
            }

            // While the task that disposes this source still has to be woken.
            _completed = true;
            _ending.CancelAfter(_options.DrainPatience);
            Release();
            Wake();
        }
    }

    private void Wake()
    {
        if (_arrived.CurrentCount == 0)
        {
            _arrived.Release();
        }
    }

    private void Release()
    {
        _room?.TrySetResult();
        _room = null;
    }

    private async Task Run()
    {
        var batch = new List<QueuedLine>();
        try
        {
            while (await Next(batch).ConfigureAwait(false))
            {
                await Deliver(batch).ConfigureAwait(false);
                lock (_gate)
                {
                    if (_size <= _options.LargestQueue / 2)
                    {
                        Release();
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            lock (_gate)
            {
                Interlocked.Add(ref _dropped, _queue.Count + batch.Count);
                _queue.Clear();
            }
        }
        finally
        {
            _receiver.Dispose();
            _ending.Dispose();
            _arrived.Dispose();
            if (Dropped > 0)
            {
                _log.Warn("lines of a container's log did not reach their receiver", ("receiver", _receiver.Name), ("lines", Dropped));
            }
        }
    }

    /// <summary>Takes what waits, up to what the receiver takes at once. False when there is nothing and nothing will come.</summary>
    private async Task<bool> Next(List<QueuedLine> batch)
    {
        batch.Clear();
        while (true)
        {
            lock (_gate)
            {
                while (batch.Count < _receiver.LargestBatch && _queue.TryDequeue(out var line))
                {
                    _size -= line.Text.Length + LineOverhead;
                    batch.Add(line);
                }

                if (batch.Count > 0)
                {
                    return true;
                }

                if (_completed)
                {
                    return false;
                }
            }

            await _arrived.WaitAsync(_ending.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Sends until it succeeds, or the attempts that the options allow are over.</summary>
    private async Task Deliver(List<QueuedLine> batch)
    {
        var pause = _options.FirstPause;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
                timeout.CancelAfter(_options.SendTimeout);
                await _receiver.Send(batch, timeout.Token).ConfigureAwait(false);
                batch.Clear();
                Reached();
                return;
            }
            catch (Exception e) when (IsFailure(e) && !_ending.IsCancellationRequested)
            {
                _receiver.Reset();
                Missed(e);
                if (attempt >= _options.MostAttempts)
                {
                    Interlocked.Add(ref _dropped, batch.Count);
                    return;
                }
            }

            await Task.Delay(pause, _time, _ending.Token).ConfigureAwait(false);
            pause = pause * 1.5 < _options.LongestPause ? pause * 1.5 : _options.LongestPause;
        }
    }

    private static bool IsFailure(Exception e) =>
        e is IOException or SocketException or AuthenticationException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;

    private void Reached()
    {
        if (_unreachable)
        {
            lock (_gate)
            {
                _unreachable = false;
            }

            _log.Info("the receiver of a container's log is back", ("receiver", _receiver.Name), ("lines lost", Dropped));
        }
    }

    private void Missed(Exception e)
    {
        lock (_gate)
        {
            Release();
            if (_unreachable)
            {
                return;
            }

            _unreachable = true;
        }

        _log.Warn(
            "the receiver of a container's log cannot be reached; the container goes on, lines wait as long as there is room",
            ("receiver", _receiver.Name),
            ("error", e is OperationCanceledException ? "it takes nothing" : e.Message));
    }
}
