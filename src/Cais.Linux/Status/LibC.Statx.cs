using System.Runtime.InteropServices;

namespace Cais.Linux;

internal static unsafe partial class LibC
{
    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);
}
