using Cais.Build.Graph;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Images;
using Cais.Images.Building;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>The images that one build stands on: found here or fetched, and held until it is over.</summary>
internal sealed class BaseImages(ImageStore images, IBuildClient client, IBuildProgress progress, bool pull) : IBaseImages, IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string, string), Task<BaseImage>> _resolved = [];
    private readonly Dictionary<Digest, HeldImage> _held = [];

    public IReadOnlyList<HeldImage> Held
    {
        get
        {
            lock (_gate)
            {
                return [.. _held.Values];
            }
        }
    }

    public Task<BaseImage> ResolveAsync(string reference, Platform platform, CancellationToken cancellation)
    {
        lock (_gate)
        {
            var key = (reference, platform.ToString());
            if (!_resolved.TryGetValue(key, out var resolving))
            {
                _resolved[key] = resolving = FindAsync(reference, platform, cancellation);
            }

            return resolving;
        }
    }

    public async Task<IReadOnlyList<string>> OpenAsync(ImageIdentity image, CancellationToken cancellation)
    {
        HeldImage held;
        lock (_gate)
        {
            held = _held[image.Manifest];
        }

        return await held.UnpackAsync(cancellation).ConfigureAwait(false);
    }

    public void Dispose()
    {
        foreach (var held in Held)
        {
            held.Dispose();
        }
    }

    private async Task<BaseImage> FindAsync(string reference, Platform platform, CancellationToken cancellation)
    {
        var name = Reference.TryParse(reference, out var parsed) ? parsed.WithDefaultTag() : null;
        var activity = new ActivityStep($"[internal] load metadata for {name?.ToString() ?? reference}");
        progress.Started(activity);
        try
        {
            var image = pull && name is not null ? null : images.Resolve(reference, platform);
            image ??= await PullAsync(reference, name, platform, cancellation).ConfigureAwait(false);
            var held = images.Building.Hold(image);
            lock (_gate)
            {
                if (!_held.TryAdd(image.ManifestDescriptor.Digest, held))
                {
                    held.Dispose();
                }
            }

            progress.Completed(activity, wasCached: false, null);
            return new BaseImage(new ImageIdentity(image.ManifestDescriptor.Digest, image.Config.RootFs.DiffIds, image.Config.Platform), image.Config);
        }
        catch (Exception e)
        {
            progress.Completed(activity, wasCached: false, e);
            throw;
        }
    }

    private async Task<ImageRecord> PullAsync(string reference, Reference? name, Platform platform, CancellationToken cancellation)
    {
        if (name is null)
        {
            throw new ImageException(ImageErrorKind.NotFound, $"No such image: {reference}");
        }

        var options = new PullOptions
        {
            Platform = platform,
            Credentials = await client.FindCredentialsAsync(name.Domain, cancellation).ConfigureAwait(false),
        };
        return (await images.PullAsync(name, options, new Ignored(), cancellation).ConfigureAwait(false)).Image;
    }

    private sealed class Ignored : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value)
        {
        }
    }
}
