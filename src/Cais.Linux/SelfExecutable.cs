using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>The file this process runs from, which a container must never be able to overwrite (CVE-2019-5736).</summary>
public static unsafe class SelfExecutable
{
    private const string Link = "/proc/self/exe";
    private const nuint ReadOnlyMount = 1;
    private const int WriteAccess = 2;
    private const int AddSeals = 1033;
    private const int AllSeals = 0xf;
    private const int AtEmptyPath = 0x1000;

    /// <summary>
    /// True when nobody can open the running file for writing through /proc: it is on a read-only mount, or this user could not write
    /// it anyway.
    /// </summary>
    public static bool IsProtected
    {
        get
        {
            // struct statvfs: f_flag is the tenth word.
            var status = stackalloc nuint[14];
            return (LibC.statvfs(Link, status) == 0 && (status[9] & ReadOnlyMount) != 0)
                || (UserIds.Effective != 0 && LibC.access(Link, WriteAccess) != 0);
        }
    }

    /// <summary>
    /// Starts this program over, with the same arguments, from a read-only view of its file that no name leads to; without the right to
    /// make mounts, from a sealed copy in memory. Returns only if neither works, with the reason.
    /// </summary>
    public static LinuxException RestartProtected(IReadOnlyList<string> arguments, IReadOnlyList<string> environment)
    {
        try
        {
            using var file = ReadOnlyView() ?? SealedCopy();
            using var empty = new Utf8("");
            var argv = TextList(arguments);
            var envp = TextList(environment);
            SystemCall.Invoke(SystemCall.Execveat, file.Number, empty, argv, envp, AtEmptyPath);
            return LinuxException.FromLastError("start over from a protected file");
        }
        catch (LinuxException e)
        {
            return e;
        }
    }

    private static FileDescriptor? ReadOnlyView()
    {
        try
        {
            return Mounts.CloneReadOnly(Link);
        }
        catch (LinuxException e) when (e.Errno is Errno.EPERM or Errno.EINVAL or Errno.ENOSYS)
        {
            return null;
        }
    }

    private static FileDescriptor SealedCopy()
    {
        using var source = Files.Open(Link, OpenFlags.ReadOnly);
        var copy = Files.Memory("cais-runtime");
        while (LibC.sendfile(copy.Number, source.Number, 0, 1 << 30) is var n && n != 0)
        {
            if (n < 0)
            {
                throw LinuxException.FromLastError("copy the running program");
            }
        }

        return LibC.fcntl(copy.Number, AddSeals, AllSeals) == 0 ? copy : throw LinuxException.FromLastError("seal the copy of the running program");
    }

    /// <summary>Never freed: it is for execve, after which there is nothing left to free.</summary>
    private static nint TextList(IReadOnlyList<string> texts)
    {
        var list = (nint*)NativeMemory.Alloc((nuint)(texts.Count + 1), (nuint)sizeof(nint));
        for (var i = 0; i < texts.Count; i++)
        {
            list[i] = Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        list[texts.Count] = 0;
        return (nint)list;
    }
}

internal static unsafe partial class LibC
{
    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int statvfs(string path, nuint* status);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint sendfile(int to, int from, nint offset, nuint count);
}
