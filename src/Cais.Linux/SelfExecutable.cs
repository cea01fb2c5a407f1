namespace Cais.Linux;

/// <summary>
/// The file this process runs from, which a container must never be able to overwrite (CVE-2019-5736): a process in the container can
/// reach the file of whoever started it through /proc, keep it open, and write to it once nobody runs it any more. So a program that
/// starts containers runs from a view of its file that cannot be written.
/// </summary>
public static unsafe class SelfExecutable
{
    private const int ReadOnlyFlag = 1;
    private const long SharedMemoryMagic = 0x01021994;
    private const int WriteAccess = 2;
    private const int AddSeals = 1033;
    private const int GetSeals = 1034;
    private const int WriteSeal = 8;
    private const int AllSeals = 0xf;
    private const int AtEmptyPath = 0x1000;
    private const int CloneTree = 1;
    private const int SealableExecutable = 0x13;
    private const int Sealable = 3;
    private const int SetName = 15;

    /// <summary>
    /// True when nobody can open the running file for writing through /proc: it is on a read-only mount or in sealed memory, or this
    /// user could not write it anyway.
    /// </summary>
    public static bool IsProtected
    {
        get
        {
            fixed (byte* link = "/proc/self/exe\0"u8)
            {
                return IsViewOrCopy(link) || !MayWrite(link);
            }
        }
    }

    /// <summary>
    /// Starts the program over, with the same arguments, from a read-only view of its file that no name leads to; without the right to
    /// make mounts, from a sealed copy in memory. Returns where there is nothing to do or where it cannot be done
    /// (<see cref="IsProtected"/> tells which). The linker puts a caller of this in front of the program's <c>main</c>, and so of .NET's own
    /// start, which the process that is replaced therefore never pays for. It may use nothing that needs a started runtime: no object,
    /// no static, no P/Invoke; a test follows its machine code.
    /// </summary>
    public static void StartOver(int count, byte** arguments, byte** environment)
    {
        fixed (byte* link = "/proc/self/exe\0"u8)
        {
            if (IsViewOrCopy(link))
            {
                // The kernel names a program that was started by descriptor after the descriptor.
                if (count > 0)
                {
                    LinkedSymbols.syscall(SystemCall.Prctl, SetName, (nint)LastPart(arguments[0]), 0, 0, 0);
                }
            }
            else if (MayWrite(link))
            {
                Execute(ReadOnlyView(link), arguments, environment);
                Execute(SealedCopy(link), arguments, environment);
            }
        }
    }

    private static bool IsViewOrCopy(byte* link)
    {
        // struct statfs: f_type is the first word, f_flags the eleventh; the rest is left over for the kernel's use.
        var status = stackalloc long[16];
        if (LinkedSymbols.syscall(SystemCall.Statfs, (nint)link, (nint)status, 0, 0, 0) != 0)
        {
            return false;
        }

        return (status[10] & ReadOnlyFlag) != 0 || (status[0] == SharedMemoryMagic && IsSealed(link));
    }

    private static bool IsSealed(byte* link)
    {
        var file = LinkedSymbols.syscall(SystemCall.Openat, Files.CurrentDirectory, (nint)link, OpenFlags.ReadOnly | OpenFlags.CloseOnExec, 0, 0);
        var seals = LinkedSymbols.syscall(SystemCall.Fcntl, file, GetSeals, 0, 0, 0);
        LinkedSymbols.syscall(SystemCall.Close, file, 0, 0, 0, 0);
        return seals > 0 && (seals & WriteSeal) != 0;
    }

    private static bool MayWrite(byte* link) =>
        LinkedSymbols.syscall(SystemCall.GetEuid, 0, 0, 0, 0, 0) == 0 || LinkedSymbols.syscall(SystemCall.Faccessat, Files.CurrentDirectory, (nint)link, WriteAccess, 0, 0) == 0;

    private static nint ReadOnlyView(byte* link)
    {
        // struct mount_attr: what to set, what to clear, propagation, user namespace.
        var attributes = stackalloc long[] { (long)MountAttributes.ReadOnly, 0, 0, 0 };
        var empty = (byte)0;
        var view = LinkedSymbols.syscall(SystemCall.OpenTree, Files.CurrentDirectory, (nint)link, CloneTree | OpenFlags.CloseOnExec, 0, 0);
        return view >= 0 && LinkedSymbols.syscall(SystemCall.MountSetattr, view, (nint)(&empty), AtEmptyPath, (nint)attributes, 32) == 0 ? view : -1;
    }

    private static nint SealedCopy(byte* link)
    {
        nint copy;
        fixed (byte* name = "cais\0"u8)
        {
            // Kernels before 6.3 do not know that a file in memory may or may not be executable.
            copy = LinkedSymbols.syscall(SystemCall.MemfdCreate, (nint)name, SealableExecutable, 0, 0, 0);
            copy = copy >= 0 ? copy : LinkedSymbols.syscall(SystemCall.MemfdCreate, (nint)name, Sealable, 0, 0, 0);
        }

        var source = LinkedSymbols.syscall(SystemCall.Openat, Files.CurrentDirectory, (nint)link, OpenFlags.ReadOnly | OpenFlags.CloseOnExec, 0, 0);
        nint copied;
        do
        {
            copied = LinkedSymbols.syscall(SystemCall.Sendfile, copy, source, 0, 1 << 30, 0);
        }
        while (copied > 0);
        return copied == 0 && LinkedSymbols.syscall(SystemCall.Fcntl, copy, AddSeals, AllSeals, 0, 0) == 0 ? copy : -1;
    }

    /// <summary>Returns only if it failed.</summary>
    private static void Execute(nint file, byte** arguments, byte** environment)
    {
        var empty = (byte)0;
        if (file >= 0)
        {
            LinkedSymbols.syscall(SystemCall.Execveat, file, (nint)(&empty), (nint)arguments, (nint)environment, AtEmptyPath);
        }
    }

    private static byte* LastPart(byte* path)
    {
        var last = path;
        for (; *path != 0; path++)
        {
            last = *path == '/' ? path + 1 : last;
        }

        return last;
    }
}
