using System.Text;
using Cais.BuildKit.Grpc;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Fsutil.Types;
using Google.Protobuf;

namespace Cais.BuildKit.Files;

/// <summary>The sending side of fsutil's protocol; see <see cref="FileReceiver"/>. How the local exporter puts a result into a directory of the client.</summary>
internal sealed class FileSender(GrpcClientCall call, CancellationToken cancellation)
{
    private const int PartLength = 128 << 10;
    private const int MostDepth = 512;

    private readonly List<(int Tree, byte[] Path)?> _files = [];
    private readonly Dictionary<(ulong FileSystem, ulong Inode), string> _links = [];

    /// <summary>
    /// Sends trees, each below a directory of its own (<c>linux_arm64</c>) or, with an empty name, the only one as it is. Names must be in order.
    /// Throws <see cref="GrpcException"/> or <see cref="LinuxException"/>.
    /// </summary>
    public async Task SendAsync(IReadOnlyList<(string Name, FileDescriptor Tree)> trees)
    {
        foreach (var (name, tree) in trees)
        {
            if (name.Length > 0)
            {
                FileAt.Status(tree.Number, "\0"u8, out var status);
                await SendStatAsync(Describe(name, status), null);
            }

            await SendDirectoryAsync(tree.Number, tree.Number, name, name.Length > 0 ? name.Length + 1 : 0, 0);
            _links.Clear();
        }

        await call.SendAsync(new Packet { Type = Packet.Types.PacketType.PacketStat });
        var buffer = new byte[PartLength];
        while (await call.ReadAsync(Packet.Parser) is { } packet)
        {
            switch (packet.Type)
            {
                case Packet.Types.PacketType.PacketReq:
                    await SendFileAsync(packet.ID, buffer);
                    break;
                case Packet.Types.PacketType.PacketFin:
                    await call.SendAsync(new Packet { Type = Packet.Types.PacketType.PacketFin });
                    await call.FinishSendingAsync();
                    while (await call.ReadAsync(Packet.Parser) is not null)
                    {
                    }

                    return;
                case Packet.Types.PacketType.PacketErr:
                    throw new GrpcException(GrpcStatusCode.Unknown, $"error from receiver: {packet.Data.ToStringUtf8()}");
                default:
                    throw new InvalidDataException($"the client sent a packet of type {packet.Type} while receiving files");
            }
        }

        throw new GrpcException(GrpcStatusCode.Unavailable, "the client stopped receiving files before the end");
    }

    /// <param name="prefix">How much of a path is the directory that the tree has at the client's.</param>
    private async Task SendDirectoryAsync(int tree, int directory, string path, int prefix, int depth)
    {
        cancellation.ThrowIfCancellationRequested();
        if (depth > MostDepth)
        {
            throw new InvalidDataException($"{path} is nested too deeply to be sent");
        }

        var list = FileAt.Open(directory, ".\0"u8, FileAt.ReadOnly | FileAt.DirectoryOnly);
        Check(list, "open", path);
        List<byte[]> names;
        using (var open = new FileDescriptor(list))
        {
            names = DirectoryEntries.Read(list);
        }

        names.Sort(static (a, b) => a.AsSpan(0, a.Length - 1).SequenceCompareTo(b.AsSpan(0, b.Length - 1)));
        foreach (var name in names)
        {
            var text = Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1));
            var child = path.Length > 0 ? $"{path}/{text}" : text;
            Check(FileAt.Status(directory, name, out var status), "stat", child);
            if (status.Kind is FileKind.Socket or FileKind.Unknown)
            {
                continue;
            }

            var stat = Describe(child, status);
            if (status.Kind == FileKind.SymbolicLink)
            {
                stat.Linkname = ReadLink(directory, name);
            }
            else if (status.Kind == FileKind.Regular && status.Links > 1)
            {
                if (_links.TryGetValue((status.FileSystem, status.Inode), out var first))
                {
                    stat.Linkname = first;
                }
                else
                {
                    _links.Add((status.FileSystem, status.Inode), child);
                }
            }

            if (status.Kind is FileKind.Directory or FileKind.Regular)
            {
                TransferredAttributes.Describe(directory, name, stat);
            }

            if (status.Kind != FileKind.Directory)
            {
                await SendStatAsync(stat, status.Kind == FileKind.Regular && stat.Linkname.Length == 0 ? (tree, Encoding.UTF8.GetBytes(child[prefix..] + '\0')) : null);
                continue;
            }

            await SendStatAsync(stat, null);
            var fd = FileAt.Open(directory, name, FileAt.PathOnly | FileAt.DirectoryOnly);
            Check(fd, "open", child);
            using var below = new FileDescriptor(fd);
            await SendDirectoryAsync(tree, fd, child, prefix, depth + 1);
        }
    }

    private ValueTask SendStatAsync(Stat stat, (int Tree, byte[] Path)? content)
    {
        _files.Add(content);
        return call.SendAsync(new Packet { Type = Packet.Types.PacketType.PacketStat, Stat = stat }, flush: false);
    }

    private async Task SendFileAsync(uint id, byte[] buffer)
    {
        if (id >= _files.Count || _files[(int)id] is not { } file)
        {
            throw new InvalidDataException($"the client asked for file {id}, which has no content");
        }

        var fd = FileAt.OpenInRoot(file.Tree, file.Path, FileAt.ReadOnly, 0, noSymlinks: true);
        Check(fd, "open", Encoding.UTF8.GetString(file.Path.AsSpan(0, file.Path.Length - 1)));
        using var open = new FileDescriptor(fd);
        for (var at = 0L; ;)
        {
            var read = FileAt.Read(fd, buffer, at);
            Check(read, "read", "file");
            at += read;
            await call.SendAsync(
                new Packet { Type = Packet.Types.PacketType.PacketData, ID = id, Data = UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, read)) }, flush: read == 0);
            if (read == 0)
            {
                return;
            }
        }
    }

    private static Stat Describe(string path, FileStatus status) => new()
    {
        Path = path,
        Mode = GoFileMode.Of(status.Kind, status.Permissions),
        Uid = status.Uid,
        Gid = status.Gid,
        Size = status.Kind == FileKind.Regular ? status.Size : 0,
        ModTime = unchecked((status.Modified.Seconds * 1_000_000_000) + status.Modified.Nanoseconds),
        Devmajor = status.Kind is FileKind.CharacterDevice or FileKind.BlockDevice ? status.DeviceMajor : 0,
        Devminor = status.Kind is FileKind.CharacterDevice or FileKind.BlockDevice ? status.DeviceMinor : 0,
    };

    private static string ReadLink(int directory, byte[] name)
    {
        Span<byte> target = stackalloc byte[4097];
        var length = FileAt.ReadLink(directory, name, target);
        return length < 0 ? "" : Encoding.UTF8.GetString(target[..length]);
    }

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {path}");
        }
    }
}
