using System.Text;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.BuildKit.Files;

/// <summary>Which files of a directory the client sends. All, if nothing is given.</summary>
internal sealed record FileSelection
{
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>As in <c>.dockerignore</c>, exceptions too.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>Paths that are sent with what they are symbolic links to.</summary>
    public IReadOnlyList<string> Follow { get; init; } = [];

    /// <summary>Certain files, or what they are links to.</summary>
    public static FileSelection Of(IReadOnlyList<string> paths) => new() { Follow = paths };
}

/// <param name="Path">The directory that has them.</param>
/// <param name="Identity">The same for files of the same content: their names, sizes, times and so on.</param>
/// <param name="Bytes">How much was sent.</param>
internal sealed record ReceivedFiles(string Path, string Identity, long Bytes);

/// <summary>Files from and to clients: moby.filesync.v1.</summary>
internal static class FileSync
{
    private const string ReceiveMethod = "/moby.filesync.v1.FileSync/DiffCopy";
    private const string SendMethod = "/moby.filesync.v1.FileSend/DiffCopy";

    /// <summary>Makes <paramref name="destination"/> equal to what the client has. Throws <see cref="GrpcException"/>, <see cref="IOException"/> or <see cref="InvalidDataException"/>.</summary>
    public static async Task<ReceivedFiles> ReceiveAsync(
        Session session, string directory, FileSelection selection, string destination, Action<long> received, CancellationToken cancellation)
    {
        var metadata = new List<KeyValuePair<string, IReadOnlyList<string>>>();
        Add("dir-name", [directory]);
        Add("include-patterns", selection.Include);
        Add("exclude-patterns", selection.Exclude);
        Add("followpaths", selection.Follow);
        using var call = session.Begin(ReceiveMethod, metadata, cancellation);
        var total = 0L;
        var identity = await FileReceiver.ReceiveAsync(
            call,
            destination,
            bytes =>
            {
                total = bytes;
                received(bytes);
            },
            cancellation);
        return new ReceivedFiles(destination, identity, total);

        void Add(string name, IReadOnlyList<string> values)
        {
            // Metadata is ASCII; what is not is escaped, and said to be.
            var isEscaped = values.Any(v => v.Any(c => c is < ' ' or > '~'));
            metadata.Add(KeyValuePair.Create(name, isEscaped ? [.. values.Select(v => Uri.EscapeDataString(v))] : values));
            if (isEscaped)
            {
                metadata.Add(KeyValuePair.Create(name + "-encoded", (IReadOnlyList<string>)["1"]));
            }
        }
    }

    /// <summary>Puts trees into a directory of the client, each below a directory of its name; see <see cref="FileSender"/>.</summary>
    public static async Task SendAsync(Session session, int exporter, IReadOnlyList<(string Name, FileDescriptor Tree)> trees, CancellationToken cancellation)
    {
        using var call = session.Begin(SendMethod, [MessageUpload.ExporterId(exporter)], cancellation);
        await new FileSender(call, cancellation).SendAsync(trees);
    }

    /// <summary>A file below a directory that a client filled; links are followed, but not out of it. Null if there is none. Throws <see cref="IOException"/>.</summary>
    public static byte[]? ReadSmall(string directory, string path, int largest)
    {
        const int enoent = 2;
        using var root = Files.OpenDirectory(directory);
        var fd = FileAt.OpenInRoot(root.Number, [.. Encoding.UTF8.GetBytes(path), 0], FileAt.ReadOnly | FileAt.NonBlocking);
        if (fd == -enoent)
        {
            return null;
        }

        using var file = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {path}");
        FileAt.Status(fd, "\0"u8, out var status);
        if (status.Kind != FileKind.Regular)
        {
            throw new IOException($"{path} is not a regular file");
        }

        if (status.Size > largest)
        {
            throw new IOException($"{path} has {status.Size} bytes, and the most is {largest}");
        }

        var content = new byte[status.Size];
        for (var at = 0; at < content.Length;)
        {
            var read = FileAt.Read(fd, content.AsSpan(at), at);
            if (read <= 0)
            {
                throw new LinuxException((Errno)(-read), $"read {path}");
            }

            at += read;
        }

        return content;
    }

    private static class Files
    {
        public static FileDescriptor OpenDirectory(string path)
        {
            var fd = FileAt.Open(FileAt.CurrentDirectory, [.. Encoding.UTF8.GetBytes(path), 0], FileAt.PathOnly | FileAt.DirectoryOnly);
            return fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {path}");
        }
    }
}
