using System.Runtime.InteropServices;

namespace Cais.Linux.Io;

/// <summary>
/// SIGCHLD as a descriptor (signalfd(2)) instead of a handler. The signal must be blocked in every thread of the process: new threads
/// inherit it, the ones that exist call <see cref="Block"/>; one that does not may swallow it.
/// </summary>
public static unsafe partial class ChildSignal
{
    private const int BlockSignals = 0;
    private const ulong ChildMask = 1UL << (Signals.Child - 1);

    /// <summary>Blocks SIGCHLD in the calling thread.</summary>
    public static void Block()
    {
        var mask = stackalloc ulong[16];
        new Span<ulong>(mask, 16).Clear();
        mask[0] = ChildMask;
        var error = pthread_sigmask(BlockSignals, mask, null);
        if (error != 0)
        {
            throw new LinuxException((Errno)error, "block SIGCHLD");
        }
    }

    /// <summary>Readable when children have ended; drain it before looking for them.</summary>
    public static FileDescriptor Open()
    {
        var mask = stackalloc ulong[16];
        new Span<ulong>(mask, 16).Clear();
        mask[0] = ChildMask;
        return EventLoop.Own(signalfd(-1, mask, IoCalls.O_CLOEXEC | IoCalls.O_NONBLOCK), "signalfd");
    }

    /// <summary>Takes what is there.</summary>
    public static void Drain(FileDescriptor signal)
    {
        // struct signalfd_siginfo is 128 bytes. One SIGCHLD stands for any number of children.
        Span<byte> information = stackalloc byte[128];
        while (Descriptors.TryRead(signal, information) > 0)
        {
        }
    }

    [LibraryImport("libc")]
    private static partial int pthread_sigmask(int how, void* set, void* old);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int signalfd(int fd, void* mask, int flags);
}
