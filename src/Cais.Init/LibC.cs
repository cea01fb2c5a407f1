using System.Runtime.InteropServices;

namespace Cais.Init;

/// <summary>What an init needs of the C library, linked into the program.</summary>
internal static unsafe partial class LibC
{
    internal const int SigBlock = 0, SigSetMask = 2;
    internal const int NoHang = 1;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int sigfillset(ulong* set);

    [LibraryImport("libc")]
    internal static partial int sigemptyset(ulong* set);

    [LibraryImport("libc")]
    internal static partial int sigdelset(ulong* set, int signal);

    [LibraryImport("libc")]
    internal static partial int pthread_sigmask(int how, ulong* set, ulong* old);

    [LibraryImport("libc")]
    internal static partial int sigwaitinfo(ulong* set, void* info);

    [LibraryImport("libc")]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    internal static partial int posix_spawnp(int* pid, byte* file, void* actions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigmask(void* attributes, ulong* mask);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigdefault(void* attributes, ulong* signals);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setpgroup(void* attributes, int group);

    [LibraryImport("libc")]
    internal static partial int tcsetpgrp(int fd, int group);

    [LibraryImport("libc")]
    internal static partial int getpid();
}
