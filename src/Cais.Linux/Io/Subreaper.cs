using System.Runtime.InteropServices;

namespace Cais.Linux.Io;

/// <summary>Being the parent of descendants whose own parents have died; see PR_SET_CHILD_SUBREAPER in prctl(2).</summary>
public static unsafe partial class Subreaper
{
    private const int SetChildSubreaper = 36;
    private const int AnyChild = 0;
    private const int OneChild = 1;
    private const int NoHang = 1;
    private const int Exited = 4;
    private const int NoWait = 0x01000000;

    /// <summary>From now on orphaned descendants become children of this process, which must reap them.</summary>
    public static void Become()
    {
        if (prctl(SetChildSubreaper, 1, 0, 0, 0) < 0)
        {
            throw new LinuxException(IoCalls.LastError, "become a subreaper");
        }
    }

    /// <summary>The pid of some child that has ended and is not reaped, or 0. It stays unreaped.</summary>
    public static int PeekEnded() => Wait(AnyChild, 0, NoHang | Exited | NoWait);

    /// <summary>Reaps one child that has ended.</summary>
    public static void Reap(int pid) => Wait(OneChild, pid, NoHang | Exited);

    private static int Wait(int type, int id, int options)
    {
        // siginfo_t is 128 bytes; si_pid is at 16.
        var info = stackalloc int[32];
        info[4] = 0;
        return waitid(type, id, info, options) == 0 ? info[4] : 0;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int prctl(int option, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitid(int type, int id, void* info, int options);
}
