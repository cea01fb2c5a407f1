using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Tests;

/// <summary>A store of its own in a directory of its own, gone at the end. <see cref="Reopen"/> is what a new process would find.</summary>
public sealed class TestStore : IAsyncDisposable
{
    private readonly Func<ImageStoreOptions, ImageStoreOptions> _configure;
    private Database _database;

    public TestStore(Func<ImageStoreOptions, ImageStoreOptions>? configure = null)
    {
        _configure = configure ?? (o => o);
        Root = Path.Combine(Path.GetTempPath(), "cais-images-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(Root);
        (_database, Images) = Open();
    }

    public string Root { get; }

    public ImageStore Images { get; private set; }

    public Database Database => _database;

    public List<ContainerUse> Uses { get; } = [];

    public string[] BlobFiles => [.. Directory.EnumerateFiles(Path.Combine(Root, "content", "blobs"), "*", SearchOption.AllDirectories)];

    public string[] IngestFiles => Directory.GetFiles(Path.Combine(Root, "content", "ingest"));

    /// <summary>Names under snapshots/, without what is on its way out.</summary>
    public string[] Snapshots => [.. Directory.GetDirectories(Path.Combine(Root, "snapshots")).Select(p => Path.GetFileName(p)!).Where(n => !n.StartsWith("trash-", StringComparison.Ordinal))];

    public async Task Reopen()
    {
        await Images.DisposeAsync();
        await _database.DisposeAsync();
        (_database, Images) = Open();
    }

    public string PathOf(Digest diffId) => Path.Combine(Root, "snapshots", diffId.Hex, "fs");

    public async ValueTask DisposeAsync()
    {
        await Images.DisposeAsync();
        await _database.DisposeAsync();
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                Trees.Remove(Root);
                return;
            }
            catch (IOException) when (attempt < 20)
            {
                // The store's own clean-up may still be under way in there.
                await Task.Delay(10);
            }
        }
    }

    private (Database, ImageStore) Open()
    {
        var database = Database.Open(Path.Combine(Root, "cais.db"));
        var options = _configure(new ImageStoreOptions { ContainersUsing = _ => Uses, RetryDelay = TimeSpan.FromMilliseconds(5), CertificateDirectories = [] });
        return (database, ImageStore.Open(Root, database, options));
    }
}

/// <summary>Collects progress.</summary>
public sealed class Heard : IProgress<ImageProgress>
{
    private readonly List<ImageProgress> _all = [];

    public IReadOnlyList<ImageProgress> All
    {
        get
        {
            lock (_all)
            {
                return [.. _all];
            }
        }
    }

    public IEnumerable<string> Statuses => All.Select(p => p.Status);

    public void Report(ImageProgress value)
    {
        lock (_all)
        {
            _all.Add(value);
        }
    }
}
