using Cais.Images.Content;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>Pulls and pushes, with what they share: connections, slots, and work under way that others may join.</summary>
internal sealed class RegistryTransfers : IAsyncDisposable
{
    private readonly ImageStore _store;
    private readonly RegistryHttp _http;

    public RegistryTransfers(ImageStore store)
    {
        _store = store;
        _http = new RegistryHttp(store.Options);
        Downloads = new SemaphoreSlim(Math.Max(1, store.Options.MaxConcurrentDownloads));
        Uploads = new SemaphoreSlim(Math.Max(1, store.Options.MaxConcurrentUploads));
    }

    public SemaphoreSlim Downloads { get; }

    public SemaphoreSlim Uploads { get; }

    public ProgressHub Progress { get; } = new();

    /// <summary>Blobs being fetched; true: and unpacked.</summary>
    public SharedWork<(Digest Blob, bool Unpack), Digest> Fetches { get; } = new();

    public async Task<PullResult> PullAsync(Reference name, PullOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(name);
        name = name.WithDefaultTag();
        return await WithEndpointAsync(name, push: false, options.Credentials, client =>
            new Pull(_store, this, client, name, options, progress).RunAsync(cancellation), cancellation).ConfigureAwait(false);
    }

    public async Task<PushResult> PushAsync(Reference name, PushOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(name);
        name = name.WithDefaultTag();
        if (name.Digest is not null)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "cannot push a digest reference");
        }

        var target = _store.Catalog.FindByName(name)
            ?? throw new ImageException(ImageErrorKind.NotFound, $"An image does not exist locally with the tag: {name.FamiliarName}");
        progress.Report(new ImageProgress(null, $"The push refers to repository [{name.Name}]"));
        return await WithEndpointAsync(name, push: true, options.Credentials, client =>
            new Push(_store, this, client, name, target, options, progress).RunAsync(cancellation), cancellation).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Does the work at the first endpoint that can; what a mirror does not have, the next may.</summary>
    private async Task<T> WithEndpointAsync<T>(
        Reference name, bool push, RegistryCredentials? credentials, Func<RegistryClient, Task<T>> work, CancellationToken cancellation)
    {
        var endpoints = RegistryEndpoint.For(name.Domain, _store.Options, push);
        for (var i = 0; ; i++)
        {
            var endpoint = endpoints[i];
            try
            {
                var scheme = await _http.SchemeOfAsync(endpoint, cancellation).ConfigureAwait(false);

                // Credentials are for the registry itself: a mirror is somebody else.
                using var client = new RegistryClient(_http, endpoint, scheme, name.Path, endpoint.IsMirror ? null : credentials, _store.Options);
                return await work(client).ConfigureAwait(false);
            }
            catch (Exception e) when (endpoint.IsMirror && e is not OperationCanceledException && StoreErrors.Translate(e)?.Kind != ImageErrorKind.NoSpace)
            {
                // The next one, and in the end the registry itself, says what is wrong.
            }
            catch (Exception e) when (RegistryErrorText.Translate(e, name, push) is { } translated)
            {
                throw translated;
            }
        }
    }
}
