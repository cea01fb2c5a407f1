using System.Text;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Fsutil.Types;
using Google.Protobuf;

namespace Cais.BuildKit.Files;

/// <summary>
/// The extended attributes of a client's files: those that users set, and capabilities. Almost no file has any, so that to look at each would be wasted: a file beside the
/// directory notes that one of those received has had some.
/// </summary>
internal sealed class TransferredAttributes(string destination)
{
    private readonly string _note = NoteOf(destination);
    private bool _areThere = File.Exists(NoteOf(destination));

    public static string NoteOf(string destination) => destination + ".attributes";

    /// <summary>Whether a file that is here has what the client's has.</summary>
    public bool AreSame(int directory, byte[] name, Stat stat)
    {
        if (!_areThere && !stat.Xattrs.Keys.Any(IsTaken))
        {
            return true;
        }

        var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.NonBlocking);
        if (fd < 0)
        {
            return false;
        }

        using (new FileDescriptor(fd))
        {
            var here = FileAttribute.Read(fd, IsTaken, stat.Path);
            return here.Count == stat.Xattrs.Keys.Count(IsTaken)
                && here.All(a => stat.Xattrs.TryGetValue(Encoding.UTF8.GetString(a.Name.AsSpan(..^1)), out var value) && value.Span.SequenceEqual(a.Value));
        }
    }

    /// <summary>Gives an open file or directory what the client's has, and takes away what it has beyond. Where the file system has no such attributes, it goes without.</summary>
    public void Set(int fd, Stat stat)
    {
        var wanted = stat.Xattrs.Where(a => IsTaken(a.Key)).ToList();
        if (wanted.Count > 0 && !_areThere)
        {
            File.WriteAllBytes(_note, []);
            _areThere = true;
        }

        if (!_areThere)
        {
            return;
        }

        foreach (var (name, _) in FileAttribute.Read(fd, IsTaken, stat.Path))
        {
            if (!stat.Xattrs.ContainsKey(Encoding.UTF8.GetString(name.AsSpan(..^1))))
            {
                Check(FileAt.RemoveAttribute(fd, name), stat);
            }
        }

        foreach (var (name, value) in wanted)
        {
            Check(FileAt.SetAttribute(fd, [.. Encoding.UTF8.GetBytes(name), 0], value.Span), stat);
        }
    }

    /// <summary>Says of a file or directory here what it has.</summary>
    public static void Describe(int directory, byte[] name, Stat stat)
    {
        if (FileAt.ListAttributes(directory, name, default) <= 0)
        {
            return;
        }

        var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.NonBlocking);
        if (fd < 0)
        {
            throw new LinuxException((Errno)(-fd), $"open {stat.Path}");
        }

        using (new FileDescriptor(fd))
        {
            foreach (var (attribute, value) in FileAttribute.Read(fd, IsTaken, stat.Path))
            {
                stat.Xattrs[Encoding.UTF8.GetString(attribute.AsSpan(..^1))] = UnsafeByteOperations.UnsafeWrap(value);
            }
        }
    }

    private static bool IsTaken(string name) => !name.Contains('\0', StringComparison.Ordinal) && IsTaken([.. Encoding.UTF8.GetBytes(name), 0]);

    private static bool IsTaken(ReadOnlySpan<byte> name) => name.StartsWith("user."u8) || name.SequenceEqual("security.capability\0"u8);

    private static void Check(int result, Stat stat)
    {
        if (result is < 0 and not (-(int)Errno.EOPNOTSUPP or -(int)Errno.EPERM))
        {
            throw new LinuxException((Errno)(-result), $"set the attributes of {stat.Path}");
        }
    }
}
