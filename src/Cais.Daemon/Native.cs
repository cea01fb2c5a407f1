using System.Runtime.InteropServices;

namespace Cais.Daemon;

/// <summary>The C library's allocator, which SQLite and TLS use.</summary>
internal static partial class Native
{
    /// <summary>malloc_trim(3): gives free memory back to the kernel.</summary>
    [LibraryImport("libc")]
    internal static partial int malloc_trim(nuint keep);
}
