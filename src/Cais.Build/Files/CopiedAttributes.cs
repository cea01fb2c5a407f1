using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Build.Files;

/// <summary>
/// The extended attributes that belong to a file's content: a copy has them, and a copy is made again when one of them changes. As in BuildKit these are capabilities and
/// all that users set; what the system sets (labels of a security policy, what overlay notes) is this machine's business.
/// </summary>
internal static class CopiedAttributes
{
    public static IReadOnlyList<FileAttribute> Of(FileDescriptor file, string path) => FileAttribute.Read(file.Number, IsCopied, path);

    /// <summary>To be done after owner and mode, which take capabilities away. A file system without attributes of the kind goes without.</summary>
    public static void Copy(FileDescriptor from, FileDescriptor to, string path)
    {
        foreach (var (name, value) in Of(from, path))
        {
            var result = FileAt.SetAttribute(to.Number, name, value);
            if (result is < 0 and not -(int)Errno.EOPNOTSUPP)
            {
                throw new LinuxException((Errno)(-result), $"set an attribute of {path}");
            }
        }
    }

    private static bool IsCopied(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("security.capability\0"u8)
        || !(name.StartsWith("security."u8) || name.StartsWith("system."u8) || name.StartsWith("trusted.overlay."u8));
}
