using System.Net;
using System.Net.Http.Headers;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>
/// One repository at one endpoint, by the distribution specification. Errors are <see cref="RegistryException"/> for an answer and
/// <see cref="HttpRequestException"/> or <see cref="IOException"/> for none.
/// </summary>
internal sealed class RegistryClient(RegistryConnection connection, string repository)
{
    private const string ManifestTypes =
        $"{MediaTypes.OciIndex}, {MediaTypes.DockerIndex}, {MediaTypes.OciManifest}, {MediaTypes.DockerManifest}, {MediaTypes.DockerSchema1Signed};q=0.1, */*;q=0.1";

    private const int LargestList = 16 * 1024 * 1024;
    private const int MostPages = 1000;

    public RegistryConnection Connection => connection;

    public RegistryEndpoint Endpoint => connection.Endpoint;

    public string Repository => repository;

    public Uri Base { get; } = new(connection.Root, $"{repository}/");

    private string PullScope => $"repository:{repository}:pull";

    private string PushScope => $"repository:{repository}:pull,push";

    /// <summary>The digest that a tag points to, by a request that counts against no rate limit; null if the registry does not say.</summary>
    public async Task<Descriptor?> HeadManifestAsync(string reference, CancellationToken cancellation)
    {
        using var answer = await connection.SendAsync(() => ManifestRequest(HttpMethod.Head, reference), [PullScope], cancellation).ConfigureAwait(false);
        if (!answer.IsSuccessStatusCode)
        {
            return null;
        }

        return answer.Headers.TryGetValues("Docker-Content-Digest", out var values) && Digest.TryParse(values.First(), out var digest)
            ? new Descriptor { Digest = digest, MediaType = answer.Content.Headers.ContentType?.MediaType ?? "", Size = answer.Content.Headers.ContentLength ?? 0 }
            : null;
    }

    /// <summary>A manifest or index by tag or digest; its bytes are checked against the digest if that is what was asked for.</summary>
    public async Task<(byte[] Json, string MediaType)> GetManifestAsync(string reference, CancellationToken cancellation)
    {
        using var answer = await connection.SendAsync(() => ManifestRequest(HttpMethod.Get, reference), [PullScope], cancellation).ConfigureAwait(false);
        await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        var json = await RegistryAnswer.ReadAsync(answer.Content, Manifest.LargestSize, cancellation).ConfigureAwait(false);
        if (Digest.TryParse(reference, out var digest) && !digest.Matches(json))
        {
            throw new ImageException(
                ImageErrorKind.DigestMismatch, $"manifest verification failed for digest {digest}: the registry sent {Digest.Of(json)}");
        }

        // Asked for by tag, the registry's own word is what there is to hold it to.
        if (answer.Headers.TryGetValues("Docker-Content-Digest", out var said) && Digest.TryParse(said.First(), out var announced) && !announced.Matches(json))
        {
            throw new ImageException(
                ImageErrorKind.DigestMismatch, $"manifest verification failed: the registry announced {announced} and sent {Digest.Of(json)}");
        }

        return (json, answer.Content.Headers.ContentType?.MediaType ?? "");
    }

    /// <summary>
    /// A blob's bytes from <paramref name="offset"/> on; what the registry does not have is sought at the descriptor's own addresses (foreign layers).
    /// <paramref name="cancellation"/> covers the start; the caller disposes of the answer.
    /// </summary>
    public async Task<HttpResponseMessage> GetBlobAsync(Descriptor blob, long offset, CancellationToken cancellation)
    {
        HttpRequestMessage Request(Uri uri)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, uri);
            request.Headers.Range = offset > 0 ? new RangeHeaderValue(offset, null) : null;
            return request;
        }

        var answer = await connection.SendAsync(() => Request(At($"blobs/{blob.Digest}")), [PullScope], cancellation).ConfigureAwait(false);
        if (answer.StatusCode == HttpStatusCode.NotFound)
        {
            foreach (var address in blob.Urls ?? [])
            {
                if (Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http")
                {
                    answer.Dispose();
                    using var request = Request(uri);
                    answer = await connection.SendElsewhereAsync(request, cancellation).ConfigureAwait(false);
                    if (answer.IsSuccessStatusCode)
                    {
                        break;
                    }
                }
            }
        }

        return await RegistryAnswer.CheckedAsync(answer, cancellation).ConfigureAwait(false);
    }

    public async Task<bool> HasBlobAsync(Digest digest, CancellationToken cancellation)
    {
        using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Head, At($"blobs/{digest}")), [PushScope], cancellation).ConfigureAwait(false);
        return answer.StatusCode switch
        {
            HttpStatusCode.NotFound => false,
            _ when answer.IsSuccessStatusCode => true,
            _ => throw await RegistryAnswer.ErrorOfAsync(answer, cancellation).ConfigureAwait(false),
        };
    }

    /// <summary>Begins an upload, or has the registry take the blob from another of its repositories: then the result is null.</summary>
    public async Task<Uri?> BeginUploadAsync(Digest digest, string? mountFrom, CancellationToken cancellation)
    {
        var query = mountFrom is null ? "" : $"?mount={Uri.EscapeDataString(digest.ToString())}&from={Uri.EscapeDataString(mountFrom)}";
        string[] scopes = mountFrom is null ? [PushScope] : [PushScope, $"repository:{mountFrom}:pull"];
        using var answer = await connection.SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, new Uri(Base, $"blobs/uploads/{query}")) { Content = new ByteArrayContent([]) }, scopes, cancellation).ConfigureAwait(false);
        await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        return answer.StatusCode == HttpStatusCode.Created ? null : Location(answer);
    }

    /// <summary>Sends a whole blob in one request.</summary>
    public async Task PutBlobAsync(Uri upload, Digest digest, Func<HttpContent> content, CancellationToken cancellation)
    {
        var separator = upload.Query.Length == 0 ? "?" : "&";
        var uri = new Uri($"{upload.AbsoluteUri}{separator}digest={Uri.EscapeDataString(digest.ToString())}");
        using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Put, uri) { Content = content() }, [PushScope], cancellation, isTransfer: true).ConfigureAwait(false);
        await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
    }

    /// <summary>Stores a manifest. True if the registry says that it noted what the manifest refers to (OCI-Subject).</summary>
    public async Task<bool> PutManifestAsync(string reference, byte[] json, string mediaType, CancellationToken cancellation)
    {
        using var answer = await connection.SendAsync(
            () =>
            {
                var content = new ByteArrayContent(json);
                content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
                return new HttpRequestMessage(HttpMethod.Put, At($"manifests/{reference}")) { Content = content };
            }, [PushScope], cancellation).ConfigureAwait(false);
        await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        return answer.Headers.Contains("OCI-Subject");
    }

    /// <summary>How many bytes of an upload have arrived, and where it goes on; null if the registry knows of none.</summary>
    public async Task<(Uri Upload, long Offset)?> UploadStatusAsync(Uri upload, CancellationToken cancellation)
    {
        using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, upload), [PushScope], cancellation).ConfigureAwait(false);
        if (answer.StatusCode == HttpStatusCode.NoContent)
        {
            return (answer.Headers.Location is null ? upload : Location(answer), ReceivedOf(answer));
        }

        return answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.BadRequest
            ? null
            : throw await RegistryAnswer.ErrorOfAsync(answer, cancellation).ConfigureAwait(false);
    }

    /// <summary>Sends a piece of a blob that begins at <paramref name="offset"/>; the result is where the next one goes.</summary>
    public async Task<Uri> PatchBlobAsync(Uri upload, long offset, long length, Func<HttpContent> content, CancellationToken cancellation)
    {
        using var answer = await connection.SendAsync(
            () =>
            {
                var body = content();

                // The specification's form: first and last byte, without unit or total.
                body.Headers.TryAddWithoutValidation("Content-Range", $"{offset}-{offset + length - 1}");
                return new HttpRequestMessage(HttpMethod.Patch, upload) { Content = body };
            }, [PushScope], cancellation, isTransfer: true).ConfigureAwait(false);
        await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        return Location(answer);
    }

    /// <summary>All tags of the repository.</summary>
    public async Task<IReadOnlyList<string>> TagsAsync(CancellationToken cancellation)
    {
        var tags = new List<string>();
        var next = At("tags/list");
        for (var page = 0; next is not null; page++)
        {
            if (page == MostPages)
            {
                throw new ImageException(ImageErrorKind.Unavailable, $"{Endpoint.Host} goes on listing tags of {repository} without end");
            }

            var uri = next;
            using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, uri), [PullScope], cancellation).ConfigureAwait(false);
            await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
            var body = await RegistryAnswer.ReadAsync(answer.Content, LargestList, cancellation).ConfigureAwait(false);
            tags.AddRange((RegistryJson.Read(body, RegistryJson.Default.TagList, Endpoint.Host).Tags ?? []).Where(t => Reference.IsTag(t)));
            next = RegistryAnswer.NextPage(answer, uri);
        }

        return [.. tags.Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>
    /// What refers to a manifest (signatures, attestations): by the referrers API, or from the index under the tag that stands in for it (distribution-spec, "Listing
    /// Referrers").
    /// </summary>
    public async Task<IReadOnlyList<Descriptor>> ReferrersAsync(Digest subject, CancellationToken cancellation)
    {
        var found = new List<Descriptor>();
        var next = At($"referrers/{subject}");
        for (var page = 0; next is not null && page < MostPages; page++)
        {
            var uri = next;
            using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, uri), [PullScope], cancellation).ConfigureAwait(false);
            if (answer.StatusCode == HttpStatusCode.NotFound && page == 0)
            {
                return await ReferrersByTagAsync(subject, cancellation).ConfigureAwait(false);
            }

            await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
            found.AddRange(Oci.Images.Index.Parse(await RegistryAnswer.ReadAsync(answer.Content, Manifest.LargestSize, cancellation).ConfigureAwait(false)).Manifests);
            next = RegistryAnswer.NextPage(answer, uri);
        }

        return found;
    }

    /// <summary>The tag under which registries without a referrers API keep the list.</summary>
    public static string ReferrersTag(Digest subject) => $"{subject.Algorithm}-{subject.Hex}";

    public async Task<IReadOnlyList<Descriptor>> ReferrersByTagAsync(Digest subject, CancellationToken cancellation)
    {
        try
        {
            var (json, _) = await GetManifestAsync(ReferrersTag(subject), cancellation).ConfigureAwait(false);
            return Oci.Images.Index.Parse(json).Manifests;
        }
        catch (RegistryException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return [];
        }
    }

    private static long ReceivedOf(HttpResponseMessage answer)
    {
        // "0-99" is a hundred bytes; some say "0-0" for none and some for one: only what is surely there counts.
        if (answer.Headers.TryGetValues("Range", out var values) && values.First().Replace("bytes=", "", StringComparison.Ordinal).Split('-') is [_, var last]
            && long.TryParse(last, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var at) && at > 0)
        {
            return at + 1;
        }

        return 0;
    }

    /// <summary>An address below the repository; a mirror of several registries is told which one is meant.</summary>
    private Uri At(string path) => new(Base, Endpoint.Namespace is { } ns ? $"{path}?ns={Uri.EscapeDataString(ns)}" : path);

    private HttpRequestMessage ManifestRequest(HttpMethod method, string reference)
    {
        var request = new HttpRequestMessage(method, At($"manifests/{reference}"));
        request.Headers.TryAddWithoutValidation("Accept", ManifestTypes);
        return request;
    }

    private Uri Location(HttpResponseMessage answer) => answer.Headers.Location is { } location
        ? location.IsAbsoluteUri ? location : new Uri(Base, location)
        : throw new RegistryException(answer.StatusCode, null, $"{Endpoint.Host} began an upload without saying where (no Location header)");
}
