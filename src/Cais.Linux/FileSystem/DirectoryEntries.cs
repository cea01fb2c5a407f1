using System.Buffers;
using System.Buffers.Binary;

namespace Cais.Linux.FileSystem;

/// <summary>A directory's names as the kernel gives them: bytes, in no order, without <c>.</c> and <c>..</c>.</summary>
public static class DirectoryEntries
{
    /// <summary>
    /// All names, each with its NUL. The descriptor must be open for reading, and is read from where it stands.
    /// Throws <see cref="LinuxException"/>.
    /// </summary>
    public static List<byte[]> Read(int directory)
    {
        var names = new List<byte[]>();
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            while (true)
            {
                var length = FileAt.ReadEntries(directory, buffer);
                if (length == 0)
                {
                    return names;
                }

                if (length < 0)
                {
                    throw new LinuxException((Errno)(-length), "read directory");
                }

                // struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name with NUL.
                for (var at = 0; at < length;)
                {
                    int size = BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(at + 16));
                    var name = buffer.AsSpan(at + 19, size - 19);
                    name = name[..(name.IndexOf((byte)0) + 1)];
                    if (!name.SequenceEqual(".\0"u8) && !name.SequenceEqual("..\0"u8))
                    {
                        names.Add(name.ToArray());
                    }

                    at += size;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
