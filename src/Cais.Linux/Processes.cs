using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Attributes of this process; prctl(2).</summary>
public static class Processes
{
    /// <summary>Orphaned descendants become children of this process, which must reap them.</summary>
    public static void BecomeSubreaper()
    {
        if (LibC.prctl(36, 1, 0, 0, 0) != 0)
        {
            throw LinuxException.FromLastError("become subreaper");
        }
    }
}

internal static partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int prctl(int option, nint a, nint b, nint c, nint d);
}
