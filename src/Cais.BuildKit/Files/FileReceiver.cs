using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Cais.BuildKit.Grpc;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Fsutil.Types;

namespace Cais.BuildKit.Files;

/// <summary>
/// The receiving side of fsutil's protocol: the sender names all files with what stat(2) says of them, the receiver asks for the contents of those that it has not
/// got, and whatever it has beyond is removed. What the sender says is not trusted: every path is checked, and no symbolic link is followed.
/// </summary>
internal sealed class FileReceiver : IDisposable
{
    private const int MostDepth = 512;
    private const int ENOENT = 2;

    private readonly GrpcClientCall _call;
    private readonly FileDescriptor _root;
    private readonly TransferredAttributes _attributes;
    private readonly CancellationToken _cancellation;
    private readonly Stack<Level> _levels = new();
    private readonly Dictionary<uint, Stat> _wanted = [];
    private readonly Dictionary<uint, OpenFile> _open = [];
    private readonly List<Stat> _directories = [];
    private readonly List<Stat> _links = [];
    private readonly Channel<uint> _requests = Channel.CreateUnbounded<uint>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly IncrementalHash _identity = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ArrayBufferWriter<byte> _described = new();
    private string _last = "";
    private uint _count;
    private bool _isComplete;

    private FileReceiver(GrpcClientCall call, string destination, CancellationToken cancellation)
    {
        (_call, _cancellation) = (call, cancellation);
        var fd = FileAt.Open(FileAt.CurrentDirectory, Bytes(destination), FileAt.ReadOnly | FileAt.DirectoryOnly);
        Check(fd, "open", destination);
        _root = new FileDescriptor(fd);
        _attributes = new TransferredAttributes(destination);
        _levels.Push(new Level("", _root, Entries(_root, "")));
    }

    /// <summary>
    /// Makes <paramref name="destination"/> equal to what the other side of the call sends. Failed, some of it is so, and the next call puts it right.
    /// Throws <see cref="GrpcException"/>, <see cref="LinuxException"/> or <see cref="InvalidDataException"/>.
    /// </summary>
    /// <param name="received">Hears of the bytes that came, all told.</param>
    /// <returns>What the files are, in short: the same if nothing about any of them has changed.</returns>
    public static async Task<string> ReceiveAsync(GrpcClientCall call, string destination, Action<long> received, CancellationToken cancellation)
    {
        using var receiver = new FileReceiver(call, destination, cancellation);
        await receiver.ReceiveAsync(received);
        return Convert.ToHexStringLower(receiver._identity.GetHashAndReset());
    }

    public void Dispose()
    {
        foreach (var file in _open.Values)
        {
            file.Descriptor.Dispose();
        }

        foreach (var level in _levels)
        {
            level.Directory.Dispose();
        }

        _root.Dispose();
        _identity.Dispose();
    }

    private async Task ReceiveAsync(Action<long> received)
    {
        var total = 0L;
        var sending = SendRequestsAsync();
        try
        {
            while (true)
            {
                var packet = await _call.ReadAsync(Packet.Parser) ?? throw new GrpcException(GrpcStatusCode.Unavailable, "the client stopped sending files before the end");
                switch (packet.Type)
                {
                    case Packet.Types.PacketType.PacketStat when packet.Stat is { } stat:
                        Enter(_count++, stat);
                        break;
                    case Packet.Types.PacketType.PacketStat:
                        while (_levels.Count > 0)
                        {
                            Leave();
                        }

                        _isComplete = true;
                        FinishIfDone();
                        break;
                    case Packet.Types.PacketType.PacketData:
                        total += packet.Data.Length;
                        Write(packet.ID, packet.Data.Span);
                        received(total);
                        break;
                    case Packet.Types.PacketType.PacketErr:
                        throw new GrpcException(GrpcStatusCode.Unknown, $"error from sender: {packet.Data.ToStringUtf8()}");
                    case Packet.Types.PacketType.PacketFin when _isComplete && _wanted.Count == 0:
                        await sending;
                        await _call.FinishSendingAsync();
                        while (await _call.ReadAsync(Packet.Parser) is not null)
                        {
                        }

                        return;
                    default:
                        throw new InvalidDataException($"the client sent a packet of type {packet.Type} while sending files");
                }
            }
        }
        finally
        {
            _requests.Writer.TryComplete();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Asks for files; many in one go, if many are waiting.</summary>
    private async Task SendRequestsAsync()
    {
        var reader = _requests.Reader;
        while (await reader.WaitToReadAsync(_cancellation))
        {
            while (reader.TryRead(out var id))
            {
                await _call.SendAsync(new Packet { Type = Packet.Types.PacketType.PacketReq, ID = id }, flush: false);
            }

            await _call.FlushAsync();
        }

        if (_isComplete && _wanted.Count == 0)
        {
            await _call.SendAsync(new Packet { Type = Packet.Types.PacketType.PacketFin });
        }
    }

    private void Enter(uint id, Stat stat)
    {
        var path = stat.Path;
        CheckPath(path);
        if (_isComplete || (_count > 1 && ComparePaths(_last, path) >= 0))
        {
            throw new InvalidDataException($"the client sent files out of order: {path} after {_last}");
        }

        _last = path;
        _described.ResetWrittenCount();
        MessageFraming.Write(_described, stat);
        _identity.AppendData(_described.WrittenSpan);
        var kind = GoFileMode.Kind(stat.Mode) ?? throw new InvalidDataException($"{path} has an unknown type: mode {stat.Mode:x}");
        var slash = path.LastIndexOf('/');
        var parent = slash < 0 ? "" : path[..slash];
        while (_levels.Peek().Path != parent)
        {
            Leave();
            if (_levels.Count == 0)
            {
                throw new InvalidDataException($"the client sent {path} without the directory it is in");
            }
        }

        var level = _levels.Peek();
        var name = Bytes(path[(slash + 1)..]);
        var existing = level.Take(path[(slash + 1)..]) ? StatusOf(level.Directory.Number, name, path) : null;
        switch (kind)
        {
            case FileKind.Directory:
                EnterDirectory(level, name, stat, existing);
                break;
            case FileKind.Regular when stat.Linkname.Length > 0:
                CheckPath(stat.Linkname);
                _links.Add(stat);
                break;
            case FileKind.Regular:
                if (existing is { Kind: FileKind.Regular } file && file.Size == stat.Size && IsSame(file, stat) && _attributes.AreSame(level.Directory.Number, name, stat))
                {
                    break;
                }

                Remove(level, name, existing);
                _wanted.Add(id, stat);
                _requests.Writer.TryWrite(id);
                break;
            case FileKind.SymbolicLink:
                if (existing is { Kind: FileKind.SymbolicLink } link && IsSame(link with { Permissions = GoFileMode.Permissions(stat.Mode) }, stat) && ReadLink(level, name) == stat.Linkname)
                {
                    break;
                }

                Remove(level, name, existing);
                if (stat.Linkname.Length == 0 || stat.Linkname.Contains('\0', StringComparison.Ordinal))
                {
                    throw new InvalidDataException($"the symbolic link {path} has no valid target");
                }

                Check(FileAt.MakeSymbolicLink(Bytes(stat.Linkname), level.Directory.Number, name), "symlink", path);
                Check(FileAt.ChangeOwner(level.Directory.Number, name, stat.Uid, stat.Gid), "chown", path);
                Check(FileAt.SetTimes(level.Directory.Number, name, Time(stat), Time(stat)), "set times of", path);
                break;
            case FileKind.Socket:
                // As useless in a build as in an archive.
                Remove(level, name, existing);
                break;
            default:
                Remove(level, name, existing);
                Check(FileAt.MakeNode(level.Directory.Number, name, kind, GoFileMode.Permissions(stat.Mode), (uint)stat.Devmajor, (uint)stat.Devminor), "mknod", path);
                Check(FileAt.ChangeOwner(level.Directory.Number, name, stat.Uid, stat.Gid), "chown", path);
                Check(FileAt.ChangeMode(level.Directory.Number, name, GoFileMode.Permissions(stat.Mode)), "chmod", path);
                Check(FileAt.SetTimes(level.Directory.Number, name, Time(stat), Time(stat)), "set times of", path);
                break;
        }
    }

    private void EnterDirectory(Level level, byte[] name, Stat stat, FileStatus? existing)
    {
        var wasThere = existing is { Kind: FileKind.Directory };
        if (!wasThere)
        {
            Remove(level, name, existing);
            Check(FileAt.MakeDirectory(level.Directory.Number, name, 0x1C0), "mkdir", stat.Path);
        }

        if (_levels.Count > MostDepth)
        {
            throw new InvalidDataException($"{stat.Path} is nested too deeply");
        }

        var fd = FileAt.Open(level.Directory.Number, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
        Check(fd, "open", stat.Path);
        var directory = new FileDescriptor(fd);
        _levels.Push(new Level(stat.Path, directory, wasThere ? Entries(directory, stat.Path) : null));
        if (existing is not { } now || !wasThere || now.Uid != stat.Uid || now.Gid != stat.Gid || now.Permissions != GoFileMode.Permissions(stat.Mode))
        {
            Check(FileAt.ChangeOwner(fd, stat.Uid, stat.Gid), "chown", stat.Path);
            Check(FileAt.ChangeMode(fd, GoFileMode.Permissions(stat.Mode)), "chmod", stat.Path);
        }

        _attributes.Set(fd, stat);
        _directories.Add(stat);
    }

    /// <summary>All of a directory has been named: what else is in it goes away.</summary>
    private void Leave()
    {
        var level = _levels.Pop();
        foreach (var left in level.Rest())
        {
            Trees.Remove(level.Directory.Number, Bytes(left));
        }

        if (level.Directory != _root)
        {
            level.Directory.Dispose();
        }
    }

    private void Write(uint id, ReadOnlySpan<byte> data)
    {
        if (!_open.TryGetValue(id, out var file))
        {
            if (!_wanted.TryGetValue(id, out var stat))
            {
                throw new InvalidDataException($"the client sent data of file {id}, which nobody asked for");
            }

            var fd = FileAt.OpenInRoot(_root.Number, Bytes(stat.Path), FileAt.WriteOnly | FileAt.Create | FileAt.Exclusive, 0x180, noSymlinks: true);
            Check(fd, "create", stat.Path);
            _open[id] = file = new OpenFile(new FileDescriptor(fd), stat);
        }

        if (!data.IsEmpty)
        {
            file.Written += data.Length;
            if (file.Written > file.Stat.Size)
            {
                throw new InvalidDataException($"the client sent more of {file.Stat.Path} than the {file.Stat.Size} bytes it spoke of: the file changes while it is sent");
            }

            Check(FileAt.Write(file.Descriptor.Number, data), "write", file.Stat.Path);
            return;
        }

        _open.Remove(id);
        using (file.Descriptor)
        {
            Finish(file);
        }

        _wanted.Remove(id);
        FinishIfDone();
    }

    private void Finish(OpenFile file)
    {
        var (fd, stat) = (file.Descriptor.Number, file.Stat);
        Check(FileAt.ChangeOwner(fd, stat.Uid, stat.Gid), "chown", stat.Path);
        Check(FileAt.ChangeMode(fd, GoFileMode.Permissions(stat.Mode)), "chmod", stat.Path);
        _attributes.Set(fd, stat);

        // Last: a file with the sender's time is a file that is whole.
        Check(FileAt.SetTimes(fd, Time(stat), Time(stat)), "set times of", stat.Path);
    }

    /// <summary>Everything is named and every content is here: links to files, which needed them, and the times of directories, which all this changed.</summary>
    private void FinishIfDone()
    {
        if (!_isComplete || _wanted.Count > 0)
        {
            return;
        }

        foreach (var link in _links)
        {
            MakeLink(link);
        }

        for (var i = _directories.Count - 1; i >= 0; i--)
        {
            var stat = _directories[i];
            var fd = FileAt.OpenInRoot(_root.Number, Bytes(stat.Path), FileAt.ReadOnly | FileAt.DirectoryOnly, 0, noSymlinks: true);
            Check(fd, "open", stat.Path);
            using var directory = new FileDescriptor(fd);
            if (StatusOf(fd, "\0"u8.ToArray(), stat.Path)?.Modified != Time(stat))
            {
                Check(FileAt.SetTimes(fd, Time(stat), Time(stat)), "set times of", stat.Path);
            }
        }

        _requests.Writer.TryComplete();
    }

    private void MakeLink(Stat stat)
    {
        using var to = OpenParent(stat.Path, out var name);
        using var from = OpenParent(stat.Linkname, out var target);
        var wanted = StatusOf(from.Number, target, stat.Linkname);
        var existing = StatusOf(to.Number, name, stat.Path);
        if (wanted is null)
        {
            throw new InvalidDataException($"{stat.Path} is a link to {stat.Linkname}, which the client did not send");
        }

        if (existing is { } now && now.Inode == wanted.Value.Inode)
        {
            return;
        }

        if (existing is not null)
        {
            Trees.Remove(to.Number, name);
        }

        Check(FileAt.MakeHardLink(from.Number, target, to.Number, name), "link", stat.Path);
    }

    private FileDescriptor OpenParent(string path, out byte[] name)
    {
        var slash = path.LastIndexOf('/');
        name = Bytes(path[(slash + 1)..]);
        var fd = FileAt.OpenInRoot(_root.Number, Bytes(slash < 0 ? "." : path[..slash]), FileAt.PathOnly | FileAt.DirectoryOnly, 0, noSymlinks: true);
        Check(fd, "open directory of", path);
        return new FileDescriptor(fd);
    }

    private static void Remove(Level level, byte[] name, FileStatus? existing)
    {
        if (existing is not null)
        {
            Trees.Remove(level.Directory.Number, name);
        }
    }

    private static string ReadLink(Level level, byte[] name)
    {
        Span<byte> target = stackalloc byte[4097];
        var length = FileAt.ReadLink(level.Directory.Number, name, target);
        return length < 0 ? "" : Encoding.UTF8.GetString(target[..length]);
    }

    private static bool IsSame(FileStatus status, Stat stat) =>
        status.Modified == Time(stat) && status.Uid == stat.Uid && status.Gid == stat.Gid && status.Permissions == GoFileMode.Permissions(stat.Mode);

    private static TimeSpec Time(Stat stat)
    {
        var (seconds, nanoseconds) = Math.DivRem(stat.ModTime, 1_000_000_000);
        return nanoseconds < 0 ? new TimeSpec(seconds - 1, nanoseconds + 1_000_000_000) : new TimeSpec(seconds, nanoseconds);
    }

    private static HashSet<string> Entries(FileDescriptor directory, string path)
    {
        try
        {
            return [.. DirectoryEntries.Read(directory.Number).Select(n => Encoding.UTF8.GetString(n.AsSpan(0, n.Length - 1)))];
        }
        catch (LinuxException e)
        {
            throw new LinuxException(e.Errno, $"read directory {path}");
        }
    }

    private static FileStatus? StatusOf(int directory, byte[] name, string path)
    {
        var result = FileAt.Status(directory, name, out var status);
        if (result == -ENOENT)
        {
            return null;
        }

        Check(result, "stat", path);
        return status;
    }

    private static void CheckPath(string path)
    {
        if (path.Length is 0 or > 4096 || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new InvalidDataException("the client sent a file without a valid path");
        }

        foreach (var range in path.AsSpan().Split('/'))
        {
            if (path.AsSpan()[range] is "" or "." or "..")
            {
                throw new InvalidDataException($"the client sent a file with the path \"{path}\", which is not below the context");
            }
        }
    }

    /// <summary>The order in which a tree is walked: by bytes of UTF-8, but that a slash comes before every other character.</summary>
    internal static int ComparePaths(string a, string b)
    {
        var same = a.AsSpan().CommonPrefixLength(b);
        return same == a.Length || same == b.Length ? a.Length.CompareTo(b.Length) : Rank(a[same]).CompareTo(Rank(b[same]));

        // Characters in two halves are beyond all others.
        static int Rank(char c) => c == '/' ? 0 : char.IsSurrogate(c) ? 0x10000 + c : c;
    }

    private static byte[] Bytes(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {path}");
        }
    }

    /// <summary>A directory that is being named, and what it had before that has not been named yet.</summary>
    private sealed class Level(string path, FileDescriptor directory, HashSet<string>? rest)
    {
        public string Path { get; } = path;

        public FileDescriptor Directory { get; } = directory;

        /// <summary>Whether there was something of that name.</summary>
        public bool Take(string name) => rest?.Remove(name) ?? false;

        public HashSet<string> Rest() => rest ?? [];
    }

    private sealed class OpenFile(FileDescriptor descriptor, Stat stat)
    {
        public FileDescriptor Descriptor { get; } = descriptor;

        public Stat Stat { get; } = stat;

        public long Written { get; set; }
    }
}
