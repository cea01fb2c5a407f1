using System.Text;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Layers;

/// <summary>Read-only layers, top first, looked at as overlay would show them: a name may be hidden by a whiteout, an opaque directory or a file above.</summary>
internal sealed class LowerLayers : IDisposable
{
    private readonly List<FileDescriptor> _layers = [];

    public LowerLayers(IEnumerable<string> directories)
    {
        foreach (var path in directories)
        {
            var fd = FileAt.OpenFollowing([.. Encoding.UTF8.GetBytes(path), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
            if (fd < 0)
            {
                Dispose();
                throw new LinuxException((Errno)(-fd), $"open {path}");
            }

            _layers.Add(new FileDescriptor(fd));
        }
    }

    /// <summary>What is visible at a path (without leading slash or NUL), or null.</summary>
    public FileStatus? Find(ReadOnlySpan<byte> path)
    {
        foreach (var layer in _layers)
        {
            switch (Look(layer.Number, path, out var status))
            {
                case Sight.Visible:
                    return status;
                case Sight.Hidden:
                    return null;
            }
        }

        return null;
    }

    public void Dispose()
    {
        foreach (var layer in _layers)
        {
            layer.Dispose();
        }
    }

    private enum Sight
    {
        Absent,
        Visible,
        Hidden,
    }

    private static Sight Look(int layer, ReadOnlySpan<byte> path, out FileStatus status)
    {
        status = default;
        var absent = Sight.Absent;
        Span<byte> value = stackalloc byte[1];
        for (var end = 0; end < path.Length;)
        {
            var from = end == 0 ? 0 : end + 1;
            var slash = path[from..].IndexOf((byte)'/');
            end = slash < 0 ? path.Length : from + slash;
            byte[] prefix = [.. path[..end], 0];
            if (FileAt.Status(layer, prefix, out status) < 0)
            {
                return absent;
            }

            if (status.IsWhiteout)
            {
                return Sight.Hidden;
            }

            if (status.Kind != FileKind.Directory)
            {
                return end == path.Length ? Sight.Visible : Sight.Hidden;
            }

            if (FileAt.GetAttribute(layer, prefix, "trusted.overlay.opaque\0"u8, value) == 1 && value[0] == 'y')
            {
                absent = Sight.Hidden;
            }
        }

        return Sight.Visible;
    }
}
