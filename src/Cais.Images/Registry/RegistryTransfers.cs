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

    /// <summary>See <see cref="Pull.FetchAgainAsync"/>.</summary>
    public Task FetchAgainAsync(
        Reference name, IReadOnlyList<Descriptor> manifests, RegistryCredentials? credentials, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        WithEndpointAsync(name, push: false, credentials, client =>
            new Pull(_store, this, client, name, new PullOptions(), progress).FetchAgainAsync(manifests, cancellation), cancellation);

    /// <summary>The tags that a repository has.</summary>
    public Task<IReadOnlyList<string>> TagsAsync(Reference name, RegistryCredentials? credentials, CancellationToken cancellation) =>
        WithEndpointAsync(name, push: false, credentials, client => client.TagsAsync(cancellation), cancellation);

    /// <summary>What a name points to, and for which platforms it is, without fetching any of it.</summary>
    public Task<RemoteImage> InspectAsync(Reference name, RegistryCredentials? credentials, CancellationToken cancellation)
    {
        name = name.WithDefaultTag();
        return WithEndpointAsync(name, push: false, credentials, client => RemoteImages.InspectAsync(client, name, cancellation), cancellation);
    }

    /// <summary>A manifest or index as the registry has it.</summary>
    public Task<(Descriptor Descriptor, byte[] Json)> GetManifestAsync(Reference name, RegistryCredentials? credentials, CancellationToken cancellation)
    {
        name = name.WithDefaultTag();
        return WithEndpointAsync(name, push: false, credentials, client => RemoteImages.ManifestAsync(client, name, cancellation), cancellation);
    }

    /// <summary>Puts an index under a tag. Its members are brought into the repository first: mounted where the registry can, copied where it cannot.</summary>
    public Task<Digest> PutIndexAsync(
        Reference name, byte[] json, string mediaType, IReadOnlyList<Reference> sources, Func<string, RegistryCredentials?> credentials, CancellationToken cancellation)
    {
        name = name.WithDefaultTag();
        if (!MediaTypes.IsIndex(mediaType))
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"an image index was expected, not {mediaType}");
        }

        _ = Oci.Images.Index.Parse(json);
        return WithEndpointAsync(name, push: true, credentials(name.Domain), async target =>
        {
            foreach (var source in sources.Where(s => s.Name != name.Name && s.Digest is not null))
            {
                await WithEndpointAsync(source, push: false, credentials(source.Domain), async from =>
                {
                    await new RemoteCopy(from, target, source.Domain == name.Domain).ManifestAsync(source.Digest!.Value, cancellation).ConfigureAwait(false);
                    return true;
                }, cancellation).ConfigureAwait(false);
            }

            await target.PutManifestAsync(name.Digest?.ToString() ?? name.Tag!, json, mediaType, cancellation).ConfigureAwait(false);
            return Digest.Of(json);
        }, cancellation);
    }

    /// <summary>Fetches a file from a web server and gives its stream, and its length if that is known, otherwise 0.</summary>
    public async Task<T> DownloadAsync<T>(Uri address, Func<Stream, long, Task<T>> use, CancellationToken cancellation)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            request.Headers.TryAddWithoutValidation("User-Agent", _store.Options.UserAgent);
            using var answer = await _http.ClientFor(RegistryEndpoint.Plain(address.Authority, insecure: false))
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode)
            {
                throw new ImageException(ImageErrorKind.Unavailable, $"downloading {address} failed with status {(int)answer.StatusCode} {answer.ReasonPhrase}");
            }

            using var stream = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            return await use(stream, answer.Content.Headers.ContentLength ?? 0).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException)
        {
            throw new ImageException(ImageErrorKind.Unavailable, $"downloading {address}: {e.Message}", e);
        }
    }

    public Task<IReadOnlyList<Descriptor>> ReferrersAsync(Reference name, Digest subject, RegistryCredentials? credentials, CancellationToken cancellation) =>
        WithEndpointAsync(name, push: false, credentials, client => client.ReferrersAsync(subject, cancellation), cancellation);

    public Task<LoginResult> LoginAsync(string server, RegistryCredentials credentials, CancellationToken cancellation) =>
        new RegistryLogin(_http, _store.Options).RunAsync(server, credentials, cancellation);

    public Task<IReadOnlyList<FoundRepository>> SearchAsync(string term, int limit, RegistryCredentials? credentials, CancellationToken cancellation) =>
        new RegistrySearch(_http, _store.Options).RunAsync(term, limit, credentials, cancellation);

    public async Task<PushResult> PushAsync(Reference name, PushOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(name);
        name = name.WithDefaultTag();
        if (name.Digest is not null)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "cannot push a digest reference");
        }

        var target = options.ByDigest ?? _store.Catalog.FindByName(name)
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
        // Which digest a tag means is not for every mirror to say.
        var endpoints = RegistryEndpoint.For(name.Domain, _store.Options, push).Where(e => e.CanResolve || name.Digest is not null).ToList();
        for (var i = 0; ; i++)
        {
            var endpoint = endpoints[i];
            RegistryConnection? connection = null;
            try
            {
                var scheme = await _http.SchemeOfAsync(endpoint, cancellation).ConfigureAwait(false);

                // Credentials are for the registry itself: a mirror is somebody else.
                connection = new RegistryConnection(_http, endpoint, scheme, endpoint.IsMirror ? null : credentials, _store.Options);
                return await work(new RegistryClient(connection, name.Path)).ConfigureAwait(false);
            }
            catch (Exception e) when (endpoint.IsMirror && e is not OperationCanceledException && StoreErrors.Translate(e)?.Kind != ImageErrorKind.NoSpace)
            {
                // The next one, and in the end the registry itself, says what is wrong.
            }
            catch (Exception e) when (RegistryErrorText.Translate(e, name, push, connection?.RateLimit) is { } translated)
            {
                throw translated;
            }
            finally
            {
                connection?.Dispose();
            }
        }
    }
}
