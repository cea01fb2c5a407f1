using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux;

/// <summary>Extended attributes; xattr(7). Paths are not followed when they are symbolic links.</summary>
public static unsafe class Xattr
{
    /// <summary>Null where the file has no such attribute, or its filesystem none at all.</summary>
    public static byte[]? Get(string path, string name)
    {
        var buffer = new byte[256];
        while (true)
        {
            fixed (byte* at = buffer)
            {
                var n = LibC.lgetxattr(path, name, at, (nuint)buffer.Length);
                if (n >= 0)
                {
                    return buffer[..(int)n];
                }
            }

            switch ((Errno)Marshal.GetLastPInvokeError())
            {
                case Errno.ENODATA or Errno.EOPNOTSUPP:
                    return null;
                case Errno.ERANGE:
                    buffer = new byte[Math.Max((int)LibC.lgetxattr(path, name, null, 0), buffer.Length * 2)];
                    break;
                default:
                    throw LinuxException.FromLastError($"get {name} of {path}");
            }
        }
    }

    public static void Set(string path, string name, ReadOnlySpan<byte> value)
    {
        fixed (byte* at = value)
        {
            if (LibC.lsetxattr(path, name, at, (nuint)value.Length, 0) != 0)
            {
                throw LinuxException.FromLastError($"set {name} of {path}");
            }
        }
    }

    /// <summary>On an open file. <paramref name="what"/> names it in errors.</summary>
    public static void Set(FileDescriptor file, string what, string name, ReadOnlySpan<byte> value)
    {
        fixed (byte* at = value)
        {
            if (LibC.fsetxattr(file.Number, name, at, (nuint)value.Length, 0) != 0)
            {
                throw LinuxException.FromLastError($"set {name} of {what}");
            }
        }
    }

    /// <summary>False where there was none.</summary>
    public static bool Remove(string path, string name) =>
        LibC.lremovexattr(path, name) == 0
        || (Marshal.GetLastPInvokeError() == (int)Errno.ENODATA ? false : throw LinuxException.FromLastError($"remove {name} of {path}"));

    /// <summary>Names of all attributes; none where the filesystem has none at all.</summary>
    public static IReadOnlyList<string> List(string path)
    {
        var buffer = new byte[256];
        while (true)
        {
            fixed (byte* at = buffer)
            {
                var n = LibC.llistxattr(path, at, (nuint)buffer.Length);
                if (n >= 0)
                {
                    return n == 0 ? [] : Encoding.UTF8.GetString(at, (int)n - 1).Split('\0');
                }
            }

            switch ((Errno)Marshal.GetLastPInvokeError())
            {
                case Errno.EOPNOTSUPP:
                    return [];
                case Errno.ERANGE:
                    buffer = new byte[Math.Max((int)LibC.llistxattr(path, null, 0), buffer.Length * 2)];
                    break;
                default:
                    throw LinuxException.FromLastError($"list attributes of {path}");
            }
        }
    }
}

internal static unsafe partial class LibC
{
    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint lgetxattr(string path, string name, byte* value, nuint size);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int lsetxattr(string path, string name, byte* value, nuint size, int flags);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int fsetxattr(int fd, string name, byte* value, nuint size, int flags);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int lremovexattr(string path, string name);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint llistxattr(string path, byte* list, nuint size);
}
