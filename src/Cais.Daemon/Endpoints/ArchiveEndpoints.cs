using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Images;
using Cais.Linux.FileSystem;
using Cais.Oci;

namespace Cais.Daemon.Endpoints;

/// <summary>/containers/{id}/archive, export and changes: files in and out of containers.</summary>
internal sealed class ArchiveEndpoints(CaisEngine engine)
{
    private const string StatHeader = "X-Docker-Container-Path-Stat";

    public void Map(Router router)
    {
        router.Map("HEAD", "/containers/{id}/archive", Stat);
        router.Map("GET", "/containers/{id}/archive", Get);
        router.Map("PUT", "/containers/{id}/archive", Put);
        router.Map("GET", "/containers/{id}/export", Export);
        router.Map("GET", "/containers/{id}/changes", Changes);
    }

    private async Task Stat(ApiRequest request)
    {
        var status = await engine.StatPath(engine.Get(request.Path("id")), PathOf(request));
        request.Http.Response.Headers[StatHeader] = Encode(status);
        await request.Empty(200);
    }

    private async Task Get(ApiRequest request) => await engine.GetArchive(
        engine.Get(request.Path("id")),
        PathOf(request),
        async status =>
        {
            request.Http.Response.Headers[StatHeader] = Encode(status);
            return (await request.Stream("application/x-tar")).AsStream(leaveOpen: true);
        },
        request.Gone);

    private async Task Put(ApiRequest request)
    {
        await engine.PutArchive(
            engine.Get(request.Path("id")),
            PathOf(request),
            request.BodyStream,
            keepKinds: request.Flag("noOverwriteDirNonDir"),
            asUser: request.Flag("copyUIDGID"),
            CancellationToken.None);
        await request.Empty(200);
    }

    private async Task Export(ApiRequest request) => await engine.Export(
        engine.Get(request.Path("id")),
        async () => (await request.Stream("application/octet-stream")).AsStream(leaveOpen: true),
        request.Gone);

    private async Task Changes(ApiRequest request)
    {
        IReadOnlyList<FilesystemChange> changes =
        [
            .. engine.Changes(engine.Get(request.Path("id"))).Select(c => new FilesystemChange { Path = c.Path, Kind = (byte)c.Kind }),
        ];
        await request.Answer(changes, ApiJson.Default.IReadOnlyListFilesystemChange);
    }

    private static string PathOf(ApiRequest request) =>
        request.Query("path") ?? throw EngineException.InvalidParameter("bad parameter: path cannot be empty");

    private static string Encode(PathStatus status) => Convert.ToBase64String(PlainJson.Bytes(
        new ContainerPathStat
        {
            Name = status.Name,
            Size = status.Size,
            Mode = GoMode(status),
            Mtime = Timestamps.Format(status.Modified),
            LinkTarget = status.LinkTarget,
        },
        ApiJson.Default.ContainerPathStat));

    /// <summary>Go's os.FileMode: permissions as the kernel has them, everything else in bits of its own.</summary>
    internal static uint GoMode(PathStatus status)
    {
        var mode = status.Permissions & 0x1FF;
        mode |= (status.Permissions & 0x800) != 0 ? 1u << 23 : 0;
        mode |= (status.Permissions & 0x400) != 0 ? 1u << 22 : 0;
        mode |= (status.Permissions & 0x200) != 0 ? 1u << 20 : 0;
        return mode | status.Kind switch
        {
            FileKind.Directory => 1u << 31,
            FileKind.SymbolicLink => 1u << 27,
            FileKind.BlockDevice => 1u << 26,
            FileKind.CharacterDevice => (1u << 26) | (1u << 21),
            FileKind.Fifo => 1u << 25,
            FileKind.Socket => 1u << 24,
            _ => 0,
        };
    }
}
