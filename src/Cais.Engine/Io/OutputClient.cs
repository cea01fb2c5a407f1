using System.IO.Pipelines;

namespace Cais.Engine.Io;

/// <summary>One who receives a process's output: an attached terminal, a waiting exec. Used by its <see cref="OutputHub"/> only.</summary>
public sealed class OutputClient
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PipeWriter _to;
    private readonly bool _framed;
    private readonly bool _stdout;
    private readonly bool _stderr;

    /// <param name="to">Where the bytes go. Nobody else may write to it until <see cref="Done"/> has ended.</param>
    /// <param name="framed">In frames that tell the streams apart, or the bytes alone, as for a terminal.</param>
    /// <param name="stdout">Whether it wants standard output.</param>
    /// <param name="stderr">Whether it wants standard error.</param>
    public OutputClient(PipeWriter to, bool framed, bool stdout, bool stderr)
    {
        _to = to;
        _framed = framed;
        _stdout = stdout;
        _stderr = stderr;
    }

    /// <summary>Ends when no more will come: the process's output has ended, or this client's connection.</summary>
    public Task Done => _done.Task;

    /// <summary>Hands bytes over. False when the client's connection is gone; a pending flush when it cannot take more for now.</summary>
    internal bool TrySend(StreamKind stream, ReadOnlySpan<byte> bytes, out Task? congested)
    {
        congested = null;
        if (!(stream == StreamKind.Stderr ? _stderr : _stdout))
        {
            return true;
        }

        try
        {
            if (_framed)
            {
                Frame.Write(_to, stream, bytes);
            }
            else
            {
                var span = _to.GetSpan(bytes.Length);
                bytes.CopyTo(span);
                _to.Advance(bytes.Length);
            }

            var flush = _to.FlushAsync();
            if (flush.IsCompleted)
            {
                return !flush.Result.IsCompleted;
            }

            congested = flush.AsTask();
            return true;
        }
        catch (Exception e) when (e is InvalidOperationException or IOException)
        {
            return false;
        }
    }

    internal void Finish() => _done.TrySetResult();
}
