using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>
/// The C library's functions, as the manual pages of section 2 have them. Each kernel concept adds its own in a partial file beside
/// the code that uses it. Callers go through that concept's class, which checks results.
/// </summary>
internal static partial class LibC
{
    private const string Name = "libc";

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int close(int fd);
}
