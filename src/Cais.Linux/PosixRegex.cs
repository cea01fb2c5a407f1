using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>A POSIX extended regular expression of the C library; regex(7). The framework's own would double a small program's size.</summary>
public sealed unsafe class PosixRegex : IDisposable
{
    // regex_t is 64 bytes in glibc and at most that in musl; some room is kept.
    private const int Size = 256;
    private const int Extended = 1;
    private const int NoCaptures = 8;
    private void* _compiled;

    public PosixRegex(string pattern)
    {
        _compiled = NativeMemory.AllocZeroed(Size);
        if (LibC.regcomp(_compiled, pattern, Extended | NoCaptures) != 0)
        {
            NativeMemory.Free(_compiled);
            _compiled = null;
            throw new LinuxException(Errno.EINVAL, $"compile the regular expression \"{pattern}\"");
        }
    }

    ~PosixRegex() => Free();

    public bool Matches(string text) => LibC.regexec(_compiled, text, 0, 0, 0) == 0;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_compiled is not null)
        {
            LibC.regfree(_compiled);
            NativeMemory.Free(_compiled);
            _compiled = null;
        }
    }
}

internal static unsafe partial class LibC
{
    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int regcomp(void* compiled, string pattern, int flags);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int regexec(void* compiled, string text, nuint matches, nint matched, int flags);

    [LibraryImport(Name)]
    internal static partial void regfree(void* compiled);
}
