namespace Cais.Linux.Io;

/// <summary>An action that an <see cref="EventLoop"/> runs later. Disposing of it cancels it.</summary>
public sealed class LoopTimer : IDisposable
{
    private Action? _action;

    internal LoopTimer(Action action) => _action = action;

    internal bool IsDisposed => Volatile.Read(ref _action) is null;

    public void Dispose() => Interlocked.Exchange(ref _action, null);

    internal Action? Take() => Interlocked.Exchange(ref _action, null);
}
