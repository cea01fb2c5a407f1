using Cais.Build.Cache;
using Cais.Build.Graph;
using Cais.Build.Solving;
using Cais.Images;
using Cais.Images.Building;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>Results that other machines made, from images that carry a cache. One that cannot be had is no error: the build then does the work itself.</summary>
internal sealed class ImportedCache(ImageStore images, IBuildClient client, IBuildProgress progress) : IImportedResults, IDisposable
{
    private readonly Dictionary<Digest, (HeldImage Image, Digest Id, IReadOnlyList<int> Layers)> _records = [];
    private readonly List<HeldImage> _held = [];

    public IReadOnlyList<HeldImage> Held => _held;

    public async Task LoadAsync(IEnumerable<CacheExchange> sources, CancellationToken cancellation)
    {
        foreach (var source in sources.Where(s => s.Type is "registry" or "local"))
        {
            var what = source.Attributes.GetValueOrDefault("ref") ?? source.Attributes.GetValueOrDefault("src");
            var activity = new ActivityStep($"importing cache manifest from {what}");
            progress.Started(activity);
            try
            {
                foreach (var image in source.Type == "local" ? await FromDirectoryAsync(source, cancellation).ConfigureAwait(false) : [await FromRegistryAsync(source, cancellation).ConfigureAwait(false)])
                {
                    var held = images.Building.Hold(image);
                    _held.Add(held);
                    foreach (var (key, id, layers) in CacheRecords.Read(image.Config))
                    {
                        _records.TryAdd(key, (held, id, layers));
                    }
                }

                progress.Completed(activity, wasCached: false, null);
            }
            catch (Exception e) when (e is ImageException or ImageFormatException or IOException)
            {
                progress.Completed(activity, wasCached: false, e);
            }
        }
    }

    public async Task<StepResult?> FindAsync(Digest key, CancellationToken cancellation)
    {
        if (!_records.TryGetValue(key, out var record))
        {
            return null;
        }

        var paths = await record.Image.UnpackAsync(cancellation).ConfigureAwait(false);
        var diffIds = record.Image.Image.Config.RootFs.DiffIds;
        return new StepResult(record.Id, [.. record.Layers.Select(l => new LayerReference(null, diffIds[l], paths[l]))]);
    }

    public void Dispose() => _held.ForEach(h => h.Dispose());

    private async Task<ImageRecord> FromRegistryAsync(CacheExchange source, CancellationToken cancellation)
    {
        var name = Reference.Parse(source.Attributes["ref"]).WithDefaultTag();
        try
        {
            var options = new PullOptions { Credentials = await client.FindCredentialsAsync(name.Domain, cancellation).ConfigureAwait(false) };
            return (await images.PullAsync(name, options, new Silent(), cancellation).ConfigureAwait(false)).Image;
        }
        catch (ImageException) when (images.Resolve(name.ToString()) is { } here)
        {
            // No registry, but the image itself: what the legacy builder took.
            return here;
        }
    }

    private async Task<IReadOnlyList<ImageRecord>> FromDirectoryAsync(CacheExchange source, CancellationToken cancellation)
    {
        var pipe = new System.IO.Pipelines.Pipe();
        var directory = Linux.Files.Open(source.Attributes["src"], Linux.OpenFlags.ReadOnly | Linux.OpenFlags.Directory | Linux.OpenFlags.CloseOnExec);
        var writing = WriteAsync();
        await using var archive = pipe.Reader.AsStream();
        var loaded = await images.LoadAsync(archive, new Silent(), cancellation).ConfigureAwait(false);
        await writing.ConfigureAwait(false);
        return [.. loaded.Select(l => images.Get(l.Id.ToString()))];

        async Task WriteAsync()
        {
            Exception? failure = null;
            try
            {
                await using var to = pipe.Writer.AsStream(leaveOpen: true);
                await RootfsArchive.ExportAsync([("", directory)], null, to, cancellation).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or ImageException or OperationCanceledException or InvalidOperationException)
            {
                failure = e;
            }

            await pipe.Writer.CompleteAsync(failure).ConfigureAwait(false);
        }
    }

    private sealed class Silent : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value)
        {
        }
    }
}
