using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>How many files a process may have open: RLIMIT_NOFILE of getrlimit(2).</summary>
/// <param name="Soft">What counts.</param>
/// <param name="Hard">As far as the process may raise it by itself.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct DescriptorLimit(ulong Soft, ulong Hard)
{
    /// <summary>The calling process's own.</summary>
    /// <exception cref="LinuxException">Never in practice.</exception>
    public static DescriptorLimit OfThisProcess() => Of(LibC.RLIMIT_NOFILE);

    /// <summary>The calling process's limit of another resource, by its number in getrlimit(2).</summary>
    /// <exception cref="LinuxException">EINVAL: there is no such resource.</exception>
    public static unsafe DescriptorLimit Of(int resource)
    {
        DescriptorLimit limit;
        return LibC.prlimit(0, resource, null, &limit) == 0 ? limit : throw LinuxException.FromLastError("read a resource limit");
    }

    /// <summary>Gives a process this limit; 0 is the calling one.</summary>
    /// <exception cref="LinuxException">EPERM: more than it may have; ESRCH: it has ended.</exception>
    public void ApplyTo(int pid)
    {
        if (!TryApplyTo(pid))
        {
            throw new LinuxException(Errno.ESRCH, $"set the limit of open files to {Soft}");
        }
    }

    /// <summary>Gives a process this limit. False where it has ended and been reaped, of which another knows more.</summary>
    /// <exception cref="LinuxException">EPERM: more than it may have.</exception>
    public unsafe bool TryApplyTo(int pid)
    {
        var limit = this;
        return LibC.prlimit(pid, LibC.RLIMIT_NOFILE, &limit, null) == 0
            || ((Errno)Marshal.GetLastPInvokeError() == Errno.ESRCH ? false : throw LinuxException.FromLastError($"set the limit of open files to {Soft}"));
    }
}

internal static unsafe partial class LibC
{
    internal const int RLIMIT_NOFILE = 7;

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int prlimit(int pid, int resource, DescriptorLimit* changed, DescriptorLimit* previous);
}
