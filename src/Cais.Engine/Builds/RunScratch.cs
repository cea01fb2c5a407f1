using System.Globalization;
using Cais.Build.Solving;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Runtime;

namespace Cais.Engine.Builds;

/// <summary>
/// What a command's mounts are made of, in a directory of the run directory, which is memory: secrets never reach a disk. Disposing of it leaves nothing.
/// </summary>
internal sealed class RunScratch : IDisposable
{
    private readonly List<string> _mounted = [];
    private readonly List<AgentRelay> _relays = [];
    private int _count;

    private readonly MappedIds? _ids;

    /// <param name="path">The directory.</param>
    /// <param name="ids">Of the user namespace that the command runs in.</param>
    public RunScratch(string path, MappedIds? ids)
    {
        Path = path;
        _ids = ids;
        Linux.Files.MakeDirectory(path, 0b111_000_000);
    }

    public string Path { get; }

    /// <summary>Removes what a crash left in the directory of all scratches, and makes it if it is not there.</summary>
    public static string Clear(string directory)
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo").Reverse())
        {
            if (line.Split(' ') is [_, _, _, _, var at, ..] && at.StartsWith(directory + "/", StringComparison.Ordinal))
            {
                Mounts.Unmount(at, lazy: true);
            }
        }

        Linux.FileSystem.Trees.Remove(directory);
        Directory.CreateDirectory(directory);
        return directory;
    }

    /// <summary>Prepares one mount for the runtime.</summary>
    public Mount Prepare(MountRequest request) => request switch
    {
        HostMount host => Bind(host.Target, _ids is null ? host.Path : Mapped(host.Path), host.IsReadOnly),
        TmpfsMount memory => new Mount
        {
            Destination = memory.Target,
            Type = "tmpfs",
            Source = "tmpfs",
            Options = memory.Size is { } size ? ["nosuid", "nodev", "mode=1777", $"size={size.ToString(CultureInfo.InvariantCulture)}"] : ["nosuid", "nodev", "mode=1777"],
        },
        FileMount file => Bind(file.Target, MakeFile(file), isReadOnly: true),
        LayersMount layers => Bind(layers.Target, Open(layers), layers.UpperDirectory is null),
        SocketMount socket => Bind(socket.Target, Relay(socket), isReadOnly: false),
        _ => throw new ArgumentOutOfRangeException(nameof(request), request, "an unknown kind of mount"),
    };

    public void Dispose()
    {
        _relays.ForEach(r => r.Dispose());
        foreach (var mount in _mounted)
        {
            Mounts.Unmount(mount, lazy: true);
        }

        Linux.FileSystem.Trees.Remove(Path);
    }

    private static Mount Bind(string target, string source, bool isReadOnly) => new()
    {
        Destination = target,
        Type = "bind",
        Source = source,
        Options = ["rbind", "rprivate", isReadOnly ? "ro" : "rw"],
    };

    private string NewName() => System.IO.Path.Combine(Path, "m" + (_count++).ToString(CultureInfo.InvariantCulture));

    /// <summary>A directory or file of ours, whose files have the ids that they have in the command's user namespace.</summary>
    private string Mapped(string path)
    {
        var place = NewName();
        if (Directory.Exists(path))
        {
            Directory.CreateDirectory(place);
        }
        else
        {
            File.WriteAllBytes(place, []);
        }

        using var mount = Mounts.MappedClone(path, _ids!);
        Mounts.Attach(mount, place);
        _mounted.Add(place);
        return place;
    }

    private string MakeFile(FileMount file)
    {
        var path = NewName();
        var fd = FileAt.Open(FileAt.CurrentDirectory, Bytes(path), FileAt.WriteOnly | FileAt.Create | FileAt.Exclusive, 0x180);
        using var created = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"create {path}");
        Check(FileAt.Write(fd, file.Content.Span), "write", path);
        Check(FileAt.ChangeOwner(fd, _ids?.Map.UserOutside(file.Uid) ?? file.Uid, _ids?.Map.GroupOutside(file.Gid) ?? file.Gid), "chown", path);
        Check(FileAt.ChangeMode(fd, file.Mode), "chmod", path);
        return path;
    }

    /// <summary>A path in a tree of layers, resolved so that no link leads out of it, as a path of this machine.</summary>
    private string Open(LayersMount layers)
    {
        string root;
        if (layers.LowerDirectories is [var only] && layers.UpperDirectory is null)
        {
            root = _ids is null ? only : Mapped(only);
        }
        else
        {
            root = NewName();
            Directory.CreateDirectory(root);
            Mounts.MountOverlay(
                layers.LowerDirectories, layers.UpperDirectory, layers.WorkDirectory, root, layers.UpperDirectory is null ? MountAttributes.ReadOnly : 0, _ids);
            _mounted.Add(root);
        }

        using var directory = Linux.Files.Open(root, OpenFlags.Path | OpenFlags.Directory | OpenFlags.CloseOnExec);
        try
        {
            using var found = Linux.Files.OpenAt2(directory, layers.Path, OpenFlags.Path | OpenFlags.CloseOnExec, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
            return new FileInfo(found.ProcPath).LinkTarget!;
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            throw new IOException($"mount source \"{layers.Path}\": not found", e);
        }
    }

    private string Relay(SocketMount socket)
    {
        var relay = new AgentRelay(NewName(), socket);
        _relays.Add(relay);
        return relay.Path;
    }

    private static byte[] Bytes(string path) => System.Text.Encoding.UTF8.GetBytes(path + '\0');

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {path}");
        }
    }
}
