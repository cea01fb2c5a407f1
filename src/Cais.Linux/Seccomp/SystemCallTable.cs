using System.Text;

namespace Cais.Linux;

/// <summary>Architectures whose system calls a seccomp filter can be asked about on this kernel.</summary>
public enum SystemCallArchitecture
{
    X64,
    X86,
    X32,
    Arm64,
    Arm,
}

/// <summary>
/// Numbers of the system calls of every architecture that can run on x86-64 and on arm64, by name. Taken from the kernel's
/// unistd headers (Linux 6.1, and what was added with one number for all up to 6.17).
/// </summary>
public static class SystemCallTable
{
    /// <summary>In ordinal order, for a binary search.</summary>
    private static ReadOnlySpan<byte> Names => """
        SYSCALL_MASK _llseek _newselect _sysctl accept accept4 access acct add_key adjtimex afs_syscall alarm arch_prctl
        arm_fadvise64_64 arm_sync_file_range bdflush bind bpf break breakpoint brk cacheflush cachestat capget capset chdir
        chmod chown chown32 chroot clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
        clock_gettime64 clock_nanosleep clock_nanosleep_time64 clock_settime clock_settime64 clone clone3 close close_range
        connect copy_file_range creat create_module delete_module dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
        epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group
        faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2
        fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr file_getattr file_setattr finit_module flistxattr flock
        fork fremovexattr fsconfig fsetxattr fsmount fsopen fspick fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftime
        ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_kernel_syms
        get_mempolicy get_robust_list get_thread_area get_tls getcpu getcwd getdents getdents64 getegid getegid32 geteuid
        geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getpmsg getppid
        getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt
        gettid gettimeofday getuid getuid32 getxattr getxattrat gtty idle init_module inotify_add_watch inotify_init
        inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit
        io_uring_enter io_uring_register io_uring_setup ioctl ioperm iopl ioprio_get ioprio_set ipc kcmp kexec_file_load
        kexec_load keyctl kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link
        linkat listen listmount listxattr listxattrat llistxattr lock lookup_dcookie lremovexattr lseek lsetxattr
        lsm_get_self_attr lsm_list_modules lsm_set_self_attr lstat lstat64 madvise map_shadow_stack mbind membarrier
        memfd_create memfd_secret migrate_pages mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2
        modify_ldt mount mount_setattr move_mount move_pages mprotect mpx mq_getsetattr mq_notify mq_open mq_timedreceive
        mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync
        munlock munlockall munmap name_to_handle_at nanosleep newfstatat nfsservctl nice oldfstat oldlstat oldolduname oldstat
        olduname open open_by_handle_at open_tree open_tree_attr openat openat2 pause pciconfig_iobase pciconfig_read
        pciconfig_write perf_event_open personality pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pivot_root pkey_alloc
        pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_madvise
        process_mrelease process_vm_readv process_vm_writev prof profil pselect6 pselect6_time64 ptrace putpmsg pwrite64
        pwritev pwritev2 query_module quotactl quotactl_fd read readahead readdir readlink readlinkat readv reboot recv
        recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
        request_key restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
        rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
        sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
        sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp security select semctl semget
        semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy
        set_mempolicy_home_node set_robust_list set_thread_area set_tid_address set_tls setdomainname setfsgid setfsgid32
        setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 sethostname setitimer setns setpgid setpriority setregid
        setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt settimeofday
        setuid setuid32 setxattr setxattrat sgetmask shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd
        signalfd4 sigpending sigprocmask sigreturn sigsuspend socket socketcall socketpair splice ssetmask stat stat64 statfs
        statfs64 statmount statx stime stty swapoff swapon symlink symlinkat sync sync_file_range sync_file_range2 syncfs
        sysfs sysinfo syslog tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
        timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
        tkill truncate truncate64 tuxcall ugetrlimit ulimit umask umount umount2 uname unlink unlinkat unshare uprobe
        uretprobe uselib userfaultfd usr26 usr32 ustat utime utimensat utimensat_time64 utimes vfork vhangup vm86 vm86old
        vmsplice vserver wait4 waitid waitpid write writev
        """u8;

    /// <summary>Row of a name in the table, or -1. One look-up serves all architectures.</summary>
    public static int Find(string name) => NameIndex.Instance.Find(name);

    /// <summary>-1 where the architecture has no such call. x32 numbers are without the bit that marks them.</summary>
    public static int Number(SystemCallArchitecture architecture, int row) => architecture switch
    {
        SystemCallArchitecture.X64 => X64[row],
        SystemCallArchitecture.X86 => X86[row],
        SystemCallArchitecture.X32 => X32[row],
        SystemCallArchitecture.Arm64 => Arm64[row],
        _ => Arm[row],
    };

    /// <summary>Where each name begins; found once, since the table itself is plain bytes.</summary>
    private sealed class NameIndex
    {
        public static readonly NameIndex Instance = new();
        private readonly (int Start, int Length)[] _names = new (int, int)[485];

        private NameIndex()
        {
            var names = Names;
            var count = 0;
            for (var i = 0; i < names.Length;)
            {
                if (names[i] is (byte)' ' or (byte)'\n' or (byte)'\r')
                {
                    i++;
                    continue;
                }

                var length = names[i..].IndexOfAny((byte)' ', (byte)'\n', (byte)'\r');
                length = length < 0 ? names.Length - i : length;
                _names[count++] = (i, length);
                i += length;
            }
        }

        public int Find(string name)
        {
            Span<byte> wanted = stackalloc byte[64];
            if (name.Length > wanted.Length || !Encoding.UTF8.TryGetBytes(name, wanted, out var length))
            {
                return -1;
            }

            wanted = wanted[..length];
            var names = Names;
            int low = 0, high = _names.Length - 1;
            while (low <= high)
            {
                var middle = (low + high) / 2;
                var (start, size) = _names[middle];
                var order = names.Slice(start, size).SequenceCompareTo(wanted);
                if (order == 0)
                {
                    return middle;
                }

                (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
            }

            return -1;
        }
    }

    private static ReadOnlySpan<int> X64 =>
    [
        -1, -1, -1, 156, 43, 288, 21, 163, 248, 159, 183, 37, 158, -1, -1, -1, 49, 321, -1, -1, 12, -1, 451, 125, 126, 80, 90,
        92, -1, 161, 305, -1, 229, -1, 228, -1, 230, -1, 227, -1, 56, 435, 3, 436, 42, 326, 85, 174, 176, 32, 33, 292, 213, 291,
        233, 214, 281, 441, 232, 215, 284, 290, 59, 322, 60, 231, 269, 439, 221, -1, 285, 300, 301, 81, 91, 268, 452, 93, -1,
        260, 72, -1, 75, 193, 468, 469, 313, 196, 73, 57, 199, 431, 190, 432, 430, 433, 5, -1, -1, 138, -1, 74, -1, 77, -1, 202,
        456, -1, 455, 449, 454, 261, 177, 239, 274, 211, -1, 309, 79, 78, 217, 108, -1, 107, -1, 104, -1, 115, -1, 36, 52, 121,
        111, 39, 181, 110, 140, 318, 120, -1, 118, -1, 97, 98, 124, 51, 55, 186, 96, 102, -1, 191, 464, -1, -1, 175, 254, 253,
        294, 255, 210, 207, 208, 333, -1, 206, 209, 426, 427, 425, 16, 173, 172, 252, 251, -1, 312, 320, 246, 250, 62, 445, 444,
        446, 94, -1, 192, 86, 265, 50, 458, 194, 465, 195, -1, 212, 198, 8, 189, 459, 461, 460, 6, -1, 28, 453, 237, 324, 319,
        447, 256, 27, 83, 258, 133, 259, 149, 325, 151, 9, -1, 154, 165, 442, 429, 279, 10, -1, 245, 244, 240, 243, -1, 242, -1,
        241, 25, 462, 71, 68, 70, 69, 26, 150, 152, 11, 303, 35, 262, 180, -1, -1, -1, -1, -1, -1, 2, 304, 428, 467, 257, 437,
        34, -1, -1, -1, 298, 135, 438, 434, 424, 22, 293, 155, 330, 331, 329, 7, 271, -1, 157, 17, 295, 327, 302, 440, 448, 310,
        311, -1, -1, 270, -1, 101, 182, 18, 296, 328, 178, 179, 443, 0, 187, -1, 89, 267, 19, 169, -1, 45, 299, -1, 47, 216,
        197, 466, 82, 264, 316, 249, 219, 84, 334, 13, 127, 14, 129, 15, 130, 128, -1, 297, 146, 147, 204, 315, 143, 145, 148,
        -1, 203, 314, 142, 144, 24, 317, 185, 23, 66, 64, 65, 220, -1, -1, 40, -1, 307, 46, 44, 238, 450, 273, 205, 218, -1,
        171, 123, -1, 122, -1, 106, -1, 116, -1, 170, 38, 308, 109, 141, 114, -1, 119, -1, 117, -1, 113, -1, 160, 112, 54, 164,
        105, -1, 188, 463, -1, 30, 31, 67, 29, 48, -1, 131, -1, 282, 289, -1, -1, -1, -1, 41, -1, 53, 275, -1, 4, -1, 137, -1,
        457, 332, -1, -1, 168, 167, 88, 266, 162, 277, -1, 306, 139, 99, 103, 276, 234, 201, 222, 226, 225, 224, -1, 223, -1,
        283, 287, -1, 286, -1, 100, 200, 76, -1, 184, -1, -1, 95, -1, 166, 63, 87, 263, 272, 336, 335, 134, 323, -1, -1, 136,
        132, 280, -1, 235, 58, 153, -1, -1, 278, 236, 61, 247, -1, 1, 20,
    ];

    private static ReadOnlySpan<int> X86 =>
    [
        -1, 140, 142, 149, -1, 364, 33, 51, 286, 124, 137, 27, 384, -1, -1, 134, 361, 357, 17, -1, 45, -1, 451, 184, 185, 12,
        15, 182, 212, 61, 343, 405, 266, 406, 265, 403, 267, 407, 264, 404, 120, 435, 6, 436, 362, 377, 8, 127, 129, 41, 63,
        330, 254, 329, 255, -1, 319, 441, 256, -1, 323, 328, 11, 358, 1, 252, 307, 439, 250, 272, 324, 338, 339, 133, 94, 306,
        452, 95, 207, 298, 55, 221, 148, 231, 468, 469, 350, 234, 143, 2, 237, 431, 228, 432, 430, 433, 108, 197, 300, 100, 269,
        118, 35, 93, 194, 240, 456, 422, 455, 449, 454, 299, 130, 275, 312, 244, -1, 318, 183, 141, 220, 50, 202, 49, 201, 47,
        200, 80, 205, 105, 368, 132, 65, 20, 188, 64, 96, 355, 171, 211, 165, 209, 76, 77, 147, 367, 365, 224, 78, 24, 199, 229,
        464, 32, 112, 128, 292, 291, 332, 293, 249, 246, 247, 385, 416, 245, 248, 426, 427, 425, 54, 101, 110, 290, 289, 117,
        349, -1, 283, 288, 37, 445, 444, 446, 16, 198, 230, 9, 303, 363, 458, 232, 465, 233, 53, 253, 236, 19, 227, 459, 461,
        460, 107, 196, 219, 453, 274, 375, 356, 447, 294, 218, 39, 296, 14, 297, 150, 376, 152, 90, 192, 123, 21, 442, 429, 317,
        125, 56, 282, 281, 277, 280, 419, 279, 418, 278, 163, 462, 402, 399, 401, 400, 144, 151, 153, 91, 341, 162, -1, 169, 34,
        28, 84, 59, 18, 109, 5, 342, 428, 467, 295, 437, 29, -1, -1, -1, 336, 136, 438, 434, 424, 42, 331, 217, 381, 382, 380,
        168, 309, 414, 172, 180, 333, 378, 340, 440, 448, 347, 348, 44, 98, 308, 413, 26, 189, 181, 334, 379, 167, 131, 443, 3,
        225, 89, 85, 305, 145, 88, -1, 371, 337, 417, 372, 257, 235, 466, 38, 302, 353, 287, 0, 40, 386, 174, 176, 175, 178,
        173, 179, 177, 421, 335, 159, 160, 242, 352, 155, 157, 161, 423, 241, 351, 154, 156, 158, 354, -1, 82, 394, 393, -1, -1,
        420, -1, 187, 239, 345, 370, 369, 276, 450, 311, 243, 258, -1, 121, 139, 216, 138, 215, 46, 214, 81, 206, 74, 104, 346,
        57, 97, 71, 204, 170, 210, 164, 208, 70, 203, 75, 66, 366, 79, 23, 213, 226, 463, 68, 397, 396, 398, 395, 373, 67, 186,
        48, 321, 327, 73, 126, 119, 72, 359, 102, 360, 313, 69, 106, 195, 99, 268, 457, 383, 25, 31, 115, 87, 83, 304, 36, 314,
        -1, 344, 135, 116, 103, 315, 270, 13, 259, 263, 262, 261, 408, 260, 409, 322, 326, 410, 325, 411, 43, 238, 92, 193, -1,
        191, 58, 60, 22, 52, 122, 10, 301, 310, -1, -1, 86, 374, -1, -1, 62, 30, 320, 412, 271, 190, 111, 166, 113, 316, 273,
        114, 284, 7, 4, 146,
    ];

    private static ReadOnlySpan<int> X32 =>
    [
        -1, -1, -1, -1, 43, 288, 21, 163, 248, 159, 183, 37, 158, -1, -1, -1, 49, 321, -1, -1, 12, -1, 451, 125, 126, 80, 90,
        92, -1, 161, 305, -1, 229, -1, 228, -1, 230, -1, 227, -1, 56, 435, 3, 436, 42, 326, 85, -1, 176, 32, 33, 292, 213, 291,
        233, -1, 281, 441, 232, -1, 284, 290, 520, 545, 60, 231, 269, 439, 221, -1, 285, 300, 301, 81, 91, 268, 452, 93, -1,
        260, 72, -1, 75, 193, 468, 469, 313, 196, 73, 57, 199, 431, 190, 432, 430, 433, 5, -1, -1, 138, -1, 74, -1, 77, -1, 202,
        456, -1, 455, 449, 454, 261, -1, 239, 531, -1, -1, 309, 79, 78, 217, 108, -1, 107, -1, 104, -1, 115, -1, 36, 52, 121,
        111, 39, 181, 110, 140, 318, 120, -1, 118, -1, 97, 98, 124, 51, 542, 186, 96, 102, -1, 191, 464, -1, -1, 175, 254, 253,
        294, 255, 210, 207, 208, 333, -1, 543, 544, 426, 427, 425, 514, 173, 172, 252, 251, -1, 312, 320, 528, 250, 62, 445,
        444, 446, 94, -1, 192, 86, 265, 50, 458, 194, 465, 195, -1, 212, 198, 8, 189, 459, 461, 460, 6, -1, 28, 453, 237, 324,
        319, 447, 256, 27, 83, 258, 133, 259, 149, 325, 151, 9, -1, 154, 165, 442, 429, 533, 10, -1, 245, 527, 240, 243, -1,
        242, -1, 241, 25, 462, 71, 68, 70, 69, 26, 150, 152, 11, 303, 35, 262, -1, -1, -1, -1, -1, -1, -1, 2, 304, 428, 467,
        257, 437, 34, -1, -1, -1, 298, 135, 438, 434, 424, 22, 293, 155, 330, 331, 329, 7, 271, -1, 157, 17, 534, 546, 302, 440,
        448, 539, 540, -1, -1, 270, -1, 521, 182, 18, 535, 547, -1, 179, 443, 0, 187, -1, 89, 267, 515, 169, -1, 517, 537, -1,
        519, 216, 197, 466, 82, 264, 316, 249, 219, 84, 334, 512, 522, 14, 524, 513, 130, 523, -1, 536, 146, 147, 204, 315, 143,
        145, 148, -1, 203, 314, 142, 144, 24, 317, 185, 23, 66, 64, 65, 220, -1, -1, 40, -1, 538, 518, 44, 238, 450, 530, -1,
        218, -1, 171, 123, -1, 122, -1, 106, -1, 116, -1, 170, 38, 308, 109, 141, 114, -1, 119, -1, 117, -1, 113, -1, 160, 112,
        541, 164, 105, -1, 188, 463, -1, 30, 31, 67, 29, 48, -1, 525, -1, 282, 289, -1, -1, -1, -1, 41, -1, 53, 275, -1, 4, -1,
        137, -1, 457, 332, -1, -1, 168, 167, 88, 266, 162, 277, -1, 306, 139, 99, 103, 276, 234, 201, 526, 226, 225, 224, -1,
        223, -1, 283, 287, -1, 286, -1, 100, 200, 76, -1, 184, -1, -1, 95, -1, 166, 63, 87, 263, 272, -1, -1, -1, 323, -1, -1,
        136, 132, 280, -1, 235, 58, 153, -1, -1, 532, -1, 61, 529, -1, 1, 516,
    ];

    private static ReadOnlySpan<int> Arm64 =>
    [
        -1, -1, -1, -1, 202, 242, -1, 89, 217, 171, -1, -1, -1, -1, -1, -1, 200, 280, -1, -1, 214, -1, 451, 90, 91, 49, -1, -1,
        -1, 51, 266, -1, 114, -1, 113, -1, 115, -1, 112, -1, 220, 435, 57, 436, 203, 285, -1, -1, 106, 23, -1, 24, -1, 20, 21,
        -1, 22, 441, -1, -1, -1, 19, 221, 281, 93, 94, 48, 439, 223, -1, 47, 262, 263, 50, 52, 53, 452, 55, -1, 54, 25, -1, 83,
        10, 468, 469, 273, 13, 32, -1, 16, 431, 7, 432, 430, 433, 80, -1, -1, 44, -1, 82, -1, 46, -1, 98, 456, -1, 455, 449,
        454, -1, -1, 236, 100, -1, -1, 168, 17, -1, 61, 177, -1, 175, -1, 176, -1, 158, -1, 102, 205, 155, -1, 172, -1, 173,
        141, 278, 150, -1, 148, -1, 163, 165, 156, 204, 209, 178, 169, 174, -1, 8, 464, -1, -1, 105, 27, -1, 26, 28, 3, 1, 4,
        292, -1, 0, 2, 426, 427, 425, 29, -1, -1, 31, 30, -1, 272, 294, 104, 219, 129, 445, 444, 446, -1, -1, 9, -1, 37, 201,
        458, 11, 465, 12, -1, 18, 15, 62, 6, 459, 461, 460, -1, -1, 233, 453, 235, 283, 279, 447, 238, 232, -1, 34, -1, 33, 228,
        284, 230, 222, -1, -1, 40, 442, 429, 239, 226, -1, 185, 184, 180, 183, -1, 182, -1, 181, 216, 462, 187, 186, 188, 189,
        227, 229, 231, 215, 264, 101, 79, 42, -1, -1, -1, -1, -1, -1, -1, 265, 428, 467, 56, 437, -1, -1, -1, -1, 241, 92, 438,
        434, 424, -1, 59, 41, 289, 290, 288, -1, 73, -1, 167, 67, 69, 286, 261, 440, 448, 270, 271, -1, -1, 72, -1, 117, -1, 68,
        70, 287, -1, 60, 443, 63, 213, -1, -1, 78, 65, 142, -1, 207, 243, -1, 212, 234, 14, 466, -1, 38, 276, 218, 128, -1, 293,
        134, 136, 135, 138, 139, 133, 137, -1, 240, 125, 126, 123, 275, 121, 120, 127, -1, 122, 274, 118, 119, 124, 277, -1, -1,
        191, 190, 193, 192, -1, -1, 71, -1, 269, 211, 206, 237, 450, 99, -1, 96, -1, 162, 152, -1, 151, -1, 144, -1, 159, -1,
        161, 103, 268, 154, 140, 143, -1, 149, -1, 147, -1, 145, -1, 164, 157, 208, 170, 146, -1, 5, 463, -1, 196, 195, 197,
        194, 210, -1, 132, -1, -1, 74, -1, -1, -1, -1, 198, -1, 199, 76, -1, -1, -1, 43, -1, 457, 291, -1, -1, 225, 224, -1, 36,
        81, 84, -1, 267, -1, 179, 116, 77, 131, -1, 107, 111, 109, 108, -1, 110, -1, 85, 87, -1, 86, -1, 153, 130, 45, -1, -1,
        -1, -1, 166, -1, 39, 160, -1, 35, 97, -1, -1, -1, 282, -1, -1, -1, -1, 88, -1, -1, -1, 58, -1, -1, 75, -1, 260, 95, -1,
        64, 66,
    ];

    private static ReadOnlySpan<int> Arm =>
    [
        1048575, 140, 142, 149, 285, 366, 33, 51, 309, 124, -1, -1, -1, 270, 341, 134, 282, 386, -1, 983041, 45, 983042, 451,
        184, 185, 12, 15, 182, 212, 61, 372, 405, 264, 406, 263, 403, 265, 407, 262, 404, 120, 435, 6, 436, 283, 391, 8, -1,
        129, 41, 63, 358, 250, 357, 251, -1, 346, 441, 252, -1, 351, 356, 11, 387, 1, 248, 334, 439, -1, -1, 352, 367, 368, 133,
        94, 333, 452, 95, 207, 325, 55, 221, 148, 231, 468, 469, 379, 234, 143, 2, 237, 431, 228, 432, 430, 433, 108, 197, 327,
        100, 267, 118, -1, 93, 194, 240, 456, 422, 455, 449, 454, 326, -1, 320, 339, -1, 983046, 345, 183, 141, 217, 50, 202,
        49, 201, 47, 200, 80, 205, 105, 287, 132, 65, 20, -1, 64, 96, 384, 171, 211, 165, 209, -1, 77, 147, 286, 295, 224, 78,
        24, 199, 229, 464, -1, -1, 128, 317, 316, 360, 318, 247, 244, 245, 399, 416, 243, 246, 426, 427, 425, 54, -1, -1, 315,
        314, -1, 378, 401, 347, 311, 37, 445, 444, 446, 16, 198, 230, 9, 330, 284, 458, 232, 465, 233, -1, 249, 236, 19, 227,
        459, 461, 460, 107, 196, 220, 453, 319, 389, 385, -1, 400, 219, 39, 323, 14, 324, 150, 390, 152, -1, 192, -1, 21, 442,
        429, 344, 125, -1, 279, 278, 274, 277, 419, 276, 418, 275, 163, 462, 304, 303, 302, 301, 144, 151, 153, 91, 370, 162,
        -1, 169, 34, -1, -1, -1, -1, -1, 5, 371, 428, 467, 322, 437, 29, 271, 272, 273, 364, 136, 438, 434, 424, 42, 359, 218,
        395, 396, 394, 168, 336, 414, 172, 180, 361, 392, 369, 440, 448, 376, 377, -1, -1, 335, 413, 26, -1, 181, 362, 393, -1,
        131, 443, 3, 225, -1, 85, 332, 145, 88, 291, 292, 365, 417, 297, 253, 235, 466, 38, 329, 382, 310, 0, 40, 398, 174, 176,
        175, 178, 173, 179, 177, 421, 363, 159, 160, 242, 381, 155, 157, 161, 423, 241, 380, 154, 156, 158, 383, -1, -1, 300,
        299, 298, 312, 420, 289, 187, 239, 374, 296, 290, 321, 450, 338, -1, 256, 983045, 121, 139, 216, 138, 215, 46, 214, 81,
        206, 74, 104, 375, 57, 97, 71, 204, 170, 210, 164, 208, 70, 203, 75, 66, 294, 79, 23, 213, 226, 463, -1, 305, 308, 306,
        307, 293, 67, 186, -1, 349, 355, 73, 126, 119, 72, 281, -1, 288, 340, -1, 106, 195, 99, 266, 457, 397, -1, -1, 115, 87,
        83, 331, 36, -1, 341, 373, 135, 116, 103, 342, 268, -1, 257, 261, 260, 259, 408, 258, 409, 350, 354, 410, 353, 411, 43,
        238, 92, 193, -1, 191, -1, 60, -1, 52, 122, 10, 328, 337, -1, -1, 86, 388, 983043, 983044, 62, -1, 348, 412, 269, 190,
        111, -1, -1, 343, 313, 114, 280, -1, 4, 146,
    ];
}
