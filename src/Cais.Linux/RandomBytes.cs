using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>
/// Random bytes from the kernel, as good as a cryptographic library's: getrandom(2). Names and addresses need no more, and a program that
/// asks for nothing else never loads that library, which takes milliseconds and five megabytes.
/// </summary>
public static class RandomBytes
{
    public static void Fill(Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = LibC.getrandom(ref MemoryMarshal.GetReference(bytes), (nuint)bytes.Length, 0);
            if (count > 0)
            {
                bytes = bytes[(int)count..];
            }
            else if ((Errno)Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw LinuxException.FromLastError("getrandom");
            }
        }
    }

    /// <summary>Twice as many hexadecimal digits as bytes.</summary>
    public static string Hex(int count)
    {
        Span<byte> bytes = stackalloc byte[count];
        Fill(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary>From 0 up to but not including <paramref name="limit"/>; from 64 bits, so no number is noticeably likelier.</summary>
    public static int Below(int limit)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        Fill(bytes);
        return (int)(MemoryMarshal.Read<ulong>(bytes) % (ulong)limit);
    }
}

internal static partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint getrandom(ref byte buffer, nuint length, uint flags);
}
