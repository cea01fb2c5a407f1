using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Waiting for a few descriptors; for many there is epoll.</summary>
public static unsafe class Poll
{
    /// <summary>True when it can be read without blocking (or is at its end); false at the time limit.</summary>
    public static bool Readable(FileDescriptor file, int milliseconds) => Pidfd.WaitForEnd(file, milliseconds);

    /// <summary>Waits until at least one is readable or closed; bit n of the result stands for the n-th.</summary>
    public static int Any(ReadOnlySpan<FileDescriptor> files)
    {
        var polled = stackalloc PollFd[files.Length];
        for (var i = 0; i < files.Length; i++)
        {
            polled[i] = new PollFd { Fd = files[i].Number, Events = 1 };
        }

        int n;
        do
        {
            n = LibC.poll(polled, (nuint)files.Length, -1);
        }
        while (n < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
        if (n < 0)
        {
            throw LinuxException.FromLastError("poll");
        }

        var ready = 0;
        for (var i = 0; i < files.Length; i++)
        {
            ready |= polled[i].Returned != 0 ? 1 << i : 0;
        }

        return ready;
    }
}
