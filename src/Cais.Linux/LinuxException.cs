using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>A system call failed. The message names the operation, what it was done to, and the kernel's reason.</summary>
public sealed class LinuxException : IOException
{
    public LinuxException(Errno errno, string operation) : base($"{operation}: {errno.Describe()}")
    {
        Errno = errno;
        Operation = operation;
    }

    /// <summary>The kernel's reason.</summary>
    public Errno Errno { get; }

    /// <summary>What was attempted, with its object: <c>mount "proc" on /proc</c>.</summary>
    public string Operation { get; }

    /// <summary>The error of the last interop call that asked for <c>SetLastError</c>.</summary>
    public static LinuxException FromLastError(string operation) => new((Errno)Marshal.GetLastPInvokeError(), operation);
}
