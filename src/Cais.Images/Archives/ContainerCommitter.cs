using System.Globalization;
using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Images.Archives;

/// <summary>docker commit: a container's writable layer becomes the top layer of a new image.</summary>
internal sealed class ContainerCommitter(ImageStore store)
{
    public async Task<ImageRecord> CommitAsync(string containerId, CommitOptions options, CancellationToken cancellation)
    {
        var mount = store.Snapshots.Find(containerId) ?? throw new ImageException(ImageErrorKind.NotFound, $"No such container: {containerId}");
        using var lease = store.Leases.Begin();
        var (manifest, config) = store.Snapshots.ImageOf(containerId)!.Value;
        lease.Add(manifest.Config.Digest);
        foreach (var layer in manifest.Layers)
        {
            lease.Add(layer.Digest);
        }

        foreach (var diffId in config.RootFs.DiffIds)
        {
            lease.Add(diffId);
        }

        var (added, addedId) = await StoreErrors.Guard(() => StoreLayerAsync(mount.UpperDir, lease, cancellation)).ConfigureAwait(false);
        var now = store.Options.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
        var image = config with
        {
            Created = now,
            Author = options.Author ?? config.Author,
            Comment = options.Message,
            Parent = null,
            Config = options.Config ?? config.Config,
            RootFs = new RootFs { DiffIds = [.. config.RootFs.DiffIds, addedId] },
            History =
            [
                .. config.History ?? [],
                new HistoryEntry { Created = now, Author = options.Author, Comment = options.Message, CreatedBy = options.CreatedBy },
            ],
        };
        return NewImage.Store(store, lease, image, [.. manifest.Layers, added], options.Name);
    }

    private async Task<(Descriptor Layer, Digest DiffId)> StoreLayerAsync(string upper, Lease lease, CancellationToken cancellation)
    {
        using var ingest = store.Content.Begin(default);
        var unpacking = store.Layers.UnpackAsync(default, null, ingest.OpenReader, lease, null, cancellation);
        try
        {
            var digest = await OwnThread.Run("commit", () => Write(upper, ingest, cancellation)).ConfigureAwait(false);
            await unpacking.ConfigureAwait(false);
            lease.Add(digest);
            store.Content.Commit(ingest, digest);
            return (new Descriptor { MediaType = MediaTypes.OciLayer, Digest = digest, Size = ingest.Length }, digest);
        }
        catch (Exception e)
        {
            ingest.Fail(e);
            await ((Task)unpacking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            store.Content.Discard(ingest);
            throw;
        }
    }

    private static Digest Write(string upper, Ingest ingest, CancellationToken cancellation)
    {
        var fd = FileAt.Open(FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(upper), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        using var directory = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {upper}");
        using var sink = new BufferedStream(new IngestStream(ingest), 128 * 1024);
        var tar = new TarWriter(sink);
        new TreeArchiver(tar, asLayer: true, cancellation).AddContents(fd, default);
        tar.Finish();
        return ingest.Verify(null);
    }
}
