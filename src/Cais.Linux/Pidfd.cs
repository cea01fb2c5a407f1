using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>How a process ended.</summary>
/// <param name="Code">Its exit code, or 0 when a signal ended it.</param>
/// <param name="Signal">The signal that ended it, or 0.</param>
public readonly record struct ExitStatus(int Code, int Signal)
{
    /// <summary>As a shell reports it: 128 + signal for a signal.</summary>
    public int ShellCode => Signal == 0 ? Code : 128 + Signal;
}

/// <summary>Processes by descriptor, which unlike a number never comes to mean another process. Readable (poll) once the process has ended.</summary>
public static unsafe class Pidfd
{
    /// <summary>Null where there is no such process.</summary>
    public static FileDescriptor? TryOpen(int pid)
    {
        var fd = SystemCall.Invoke(SystemCall.PidfdOpen, pid);
        return fd >= 0 ? new FileDescriptor((int)fd)
            : (Errno)Marshal.GetLastPInvokeError() is Errno.ESRCH or Errno.EINVAL ? null
            : throw LinuxException.FromLastError($"open process {pid}");
    }

    /// <summary>False where the process has ended and been reaped.</summary>
    public static bool Signal(FileDescriptor process, int signal) =>
        SystemCall.Invoke(SystemCall.PidfdSendSignal, process.Number, signal) == 0
        || (Marshal.GetLastPInvokeError() == (int)Errno.ESRCH ? false : throw LinuxException.FromLastError($"send {Signals.Name(signal)}"));

    /// <summary>Waits for a child and reaps it.</summary>
    public static ExitStatus Wait(FileDescriptor child) => Wait(3, child.Number, 0, out _) ?? throw new LinuxException(Errno.ECHILD, "wait");

    /// <summary>As <see cref="Wait(FileDescriptor)"/>, where how it ended does not matter and another part of this process may reap all children.</summary>
    public static void Reap(FileDescriptor child)
    {
        try
        {
            Wait(child);
        }
        catch (LinuxException e) when (e.Errno == Errno.ECHILD)
        {
            // Somebody who reaps all children was faster.
        }
    }

    /// <summary>Reaps a child if it has ended; null while it runs. Throws with ECHILD if it is not a child or was reaped already.</summary>
    public static ExitStatus? TryWait(FileDescriptor child) => Wait(3, child.Number, 1, out _);

    /// <summary>Reaps any child that has ended; null while there is none.</summary>
    public static (int Pid, ExitStatus Status)? TryReapAny()
    {
        try
        {
            return Wait(0, 0, 1, out var pid) is { } status ? (pid, status) : null;
        }
        catch (LinuxException e) when (e.Errno == Errno.ECHILD)
        {
            return null;
        }
    }

    /// <summary>True once the process has ended (whether reaped or not), or false at the time limit. Negative waits without limit.</summary>
    public static bool WaitForEnd(FileDescriptor process, int milliseconds)
    {
        var poll = new PollFd { Fd = process.Number, Events = 1 };
        int n;
        do
        {
            n = LibC.poll(&poll, 1, milliseconds);
        }
        while (n < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
        return n > 0;
    }

    private static ExitStatus? Wait(int idType, int id, int noHang, out int pid)
    {
        // siginfo_t: si_signo 0, si_errno 4, si_code 8, then si_pid 16, si_uid 20, si_status 24.
        var info = stackalloc int[32];
        info[4] = 0;
        int result;
        do
        {
            result = LibC.waitid(idType, id, info, 4 | noHang);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
        if (result < 0)
        {
            throw LinuxException.FromLastError("wait");
        }

        pid = info[4];
        return pid == 0 ? null : info[2] == 1 ? new ExitStatus(info[6], 0) : new ExitStatus(0, info[6]);
    }
}

[StructLayout(LayoutKind.Sequential)]
internal struct PollFd
{
    public int Fd;
    public short Events;
    public short Returned;
}

internal static unsafe partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int waitid(int idType, int id, int* info, int options);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int poll(PollFd* fds, nuint count, int milliseconds);
}
