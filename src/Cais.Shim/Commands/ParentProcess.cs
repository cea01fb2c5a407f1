using System.Runtime.InteropServices;

namespace Cais.Shim.Commands;

/// <summary>Who started this process.</summary>
internal static partial class ParentProcess
{
    public static int Id => getppid();

    [LibraryImport("libc")]
    private static partial int getppid();
}
