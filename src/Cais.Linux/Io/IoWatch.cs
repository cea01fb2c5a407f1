namespace Cais.Linux.Io;

/// <summary>A descriptor in an <see cref="EventLoop"/>. Disposing of it ends the callbacks; it does not close the descriptor.</summary>
/// <remarks>
/// Disposed on the loop thread, no callback comes any more. Disposed elsewhere, one that is already running may still be running:
/// use <see cref="EventLoop.Post"/> where that matters.
/// </remarks>
public sealed class IoWatch : IDisposable
{
    private readonly EventLoop _loop;
    private readonly FileDescriptor _fd;
    private IoInterest _interest;

    internal IoWatch(EventLoop loop, FileDescriptor fd, int slot, uint generation, Action<IoReadiness> onReady)
    {
        _loop = loop;
        _fd = fd;
        Slot = slot;
        Generation = generation;
        OnReady = onReady;
    }

    /// <summary>What to wait for. Changing it costs one system call; setting it to what it is costs none.</summary>
    public IoInterest Interest
    {
        get => _interest;
        set => _loop.Change(this, value);
    }

    internal int Slot { get; }

    internal uint Generation { get; }

    internal Action<IoReadiness> OnReady { get; }

    public void Dispose() => _loop.Remove(this);

    /// <summary>
    /// Under the loop's lock. No interest means out of the set: epoll reports hang-up whether asked or not, and a paused descriptor whose
    /// other end is gone would keep the thread spinning.
    /// </summary>
    internal void Apply(IoInterest interest)
    {
        if (interest == _interest)
        {
            return;
        }

        var operation = (_interest, interest) switch
        {
            (_, IoInterest.None) => IoCalls.EPOLL_CTL_DEL,
            (IoInterest.None, _) => IoCalls.EPOLL_CTL_ADD,
            _ => IoCalls.EPOLL_CTL_MOD,
        };
        _loop.Control(operation, _fd, (uint)interest, ((ulong)Generation << 32) | (uint)Slot);
        _interest = interest;
    }
}
