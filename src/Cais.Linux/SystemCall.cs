using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Numbers of the system calls that are called by number, for x86-64 and for arm64 (which uses asm-generic's).</summary>
public static class SystemCall
{
    private static bool X64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    public static int Read => X64 ? 0 : 63;
    public static int Write => X64 ? 1 : 64;
    public static int Close => X64 ? 3 : 57;
    public static int RtSigaction => X64 ? 13 : 134;
    public static int RtSigprocmask => X64 ? 14 : 135;
    public static int Ioctl => X64 ? 16 : 29;
    public static int GetPid => X64 ? 39 : 172;
    public static int Sendfile => X64 ? 40 : 71;
    public static int GetEuid => X64 ? 107 : 175;
    public static int SendMsg => X64 ? 46 : 211;
    public static int Execve => X64 ? 59 : 221;
    public static int ExitGroup => X64 ? 231 : 94;
    public static int Fchdir => X64 ? 81 : 50;
    public static int Chdir => X64 ? 80 : 49;
    public static int Umask => X64 ? 95 : 166;
    public static int SetSid => X64 ? 112 : 157;
    public static int SetGroups => X64 ? 116 : 159;
    public static int SetResUid => X64 ? 117 : 147;
    public static int SetResGid => X64 ? 119 : 149;
    public static int SetFsUid => X64 ? 122 : 151;
    public static int SetFsGid => X64 ? 123 : 152;
    public static int CapGet => X64 ? 125 : 90;
    public static int CapSet => X64 ? 126 : 91;
    public static int Personality => X64 ? 135 : 92;
    public static int Statfs => X64 ? 137 : 43;
    public static int Fstatfs => X64 ? 138 : 44;
    public static int PivotRoot => X64 ? 155 : 41;
    public static int Prctl => X64 ? 157 : 167;
    public static int Chroot => X64 ? 161 : 51;
    public static int Mount => X64 ? 165 : 40;
    public static int Umount2 => X64 ? 166 : 39;
    public static int SetHostname => X64 ? 170 : 161;
    public static int SetDomainname => X64 ? 171 : 162;
    public static int SchedSetAffinity => X64 ? 203 : 122;
    public static int SchedGetAffinity => X64 ? 204 : 123;
    public static int Setxattr => X64 ? 188 : 5;
    public static int SetMempolicy => X64 ? 238 : 237;
    public static int AddKey => X64 ? 248 : 217;
    public static int Keyctl => X64 ? 250 : 219;
    public static int IoprioSet => X64 ? 251 : 30;
    public static int Openat => X64 ? 257 : 56;
    public static int Mkdirat => X64 ? 258 : 34;
    public static int Mknodat => X64 ? 259 : 33;
    public static int Fchownat => X64 ? 260 : 54;
    public static int Fchown => X64 ? 93 : 55;
    public static int Fchmod => X64 ? 91 : 52;
    public static int Unlinkat => X64 ? 263 : 35;
    public static int Symlinkat => X64 ? 266 : 36;
    public static int Readlinkat => X64 ? 267 : 78;
    public static int Fchmodat => X64 ? 268 : 53;
    public static int Faccessat => X64 ? 269 : 48;
    public static int Unshare => X64 ? 272 : 97;
    public static int Accept4 => X64 ? 288 : 242;
    public static int Dup3 => X64 ? 292 : 24;
    public static int Prlimit64 => X64 ? 302 : 261;
    public static int Setns => X64 ? 308 : 268;
    public static int SchedSetattr => X64 ? 314 : 274;
    public static int Seccomp => X64 ? 317 : 277;
    public static int Bpf => X64 ? 321 : 280;
    public static int MemfdCreate => X64 ? 319 : 279;
    public static int Execveat => X64 ? 322 : 281;
    public static int Statx => X64 ? 332 : 291;
    public static int Fcntl => X64 ? 72 : 25;
    public static int PidfdSendSignal => 424;
    public static int OpenTree => 428;
    public static int MoveMount => 429;
    public static int Fsopen => 430;
    public static int Fsconfig => 431;
    public static int Fsmount => 432;
    public static int PidfdOpen => 434;
    public static int Clone3 => 435;
    public static int CloseRange => 436;
    public static int Openat2 => 437;
    public static int PidfdGetfd => 438;
    public static int Faccessat2 => 439;
    public static int MountSetattr => 442;
    public static int QuotactlFd => 443;
    public static int LandlockCreateRuleset => 444;

    internal static long Invoke(int number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0) => LibC.syscall(number, a, b, c, d, e);
}

internal static partial class LibC
{
    /// <summary>Variadic in C, but on both architectures integer arguments travel the same way in either case.</summary>
    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e);
}
