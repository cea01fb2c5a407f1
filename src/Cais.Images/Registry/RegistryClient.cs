using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>
/// One repository at one endpoint, by the distribution specification, with the authentication that it asks for (token or basic). Errors are
/// <see cref="RegistryException"/> for an answer and <see cref="HttpRequestException"/> or <see cref="IOException"/> for none.
/// </summary>
internal sealed class RegistryClient(
    RegistryHttp http, RegistryEndpoint endpoint, string scheme, string repository, RegistryCredentials? credentials, ImageStoreOptions options) : IDisposable
{
    private const int LargestErrorBody = 64 * 1024;
    private const string ManifestTypes =
        $"{MediaTypes.OciIndex}, {MediaTypes.DockerIndex}, {MediaTypes.OciManifest}, {MediaTypes.DockerManifest}, {MediaTypes.DockerSchema1Signed};q=0.1, */*;q=0.1";

    /// <summary>How long a server may keep silent before its answer, and within it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, (AuthenticationHeaderValue Header, DateTimeOffset Until)> _tokens = [];
    private readonly SemaphoreSlim _authenticating = new(1);
    private AuthenticationHeaderValue? _basic;

    public RegistryEndpoint Endpoint => endpoint;

    public string Repository => repository;

    public Uri Base { get; } = new($"{scheme}://{endpoint.Host}{endpoint.PathPrefix}/v2/{repository}/");

    public void Dispose() => _authenticating.Dispose();

    private string PullScope => $"repository:{repository}:pull";

    private string PushScope => $"repository:{repository}:pull,push";

    /// <summary>The digest that a tag points to, by a request that counts against no rate limit; null if the registry does not say.</summary>
    public async Task<Descriptor?> HeadManifestAsync(string reference, CancellationToken cancellation)
    {
        using var answer = await SendAsync(() => ManifestRequest(HttpMethod.Head, reference), [PullScope], cancellation).ConfigureAwait(false);
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
        using var answer = await SendAsync(() => ManifestRequest(HttpMethod.Get, reference), [PullScope], cancellation).ConfigureAwait(false);
        await EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        var json = await ReadBoundedAsync(answer.Content, Manifest.LargestSize, cancellation).ConfigureAwait(false);
        if (Digest.TryParse(reference, out var digest) && !digest.Matches(json))
        {
            throw new ImageException(
                ImageErrorKind.DigestMismatch, $"manifest verification failed for digest {digest}: the registry sent {Digest.Of(json)}");
        }

        return (json, answer.Content.Headers.ContentType?.MediaType ?? "");
    }

    /// <summary>A blob's bytes from <paramref name="offset"/> on. <paramref name="cancellation"/> covers the start; the caller disposes of the answer.</summary>
    public async Task<HttpResponseMessage> GetBlobAsync(Digest digest, long offset, CancellationToken cancellation)
    {
        var answer = await SendAsync(
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Base, $"blobs/{digest}"));
                request.Headers.Range = offset > 0 ? new RangeHeaderValue(offset, null) : null;
                return request;
            }, [PullScope], cancellation).ConfigureAwait(false);
        return await CheckedAsync(answer, cancellation).ConfigureAwait(false);
    }

    public async Task<bool> HasBlobAsync(Digest digest, CancellationToken cancellation)
    {
        using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Head, new Uri(Base, $"blobs/{digest}")), [PushScope], cancellation).ConfigureAwait(false);
        return answer.StatusCode switch
        {
            HttpStatusCode.NotFound => false,
            _ when answer.IsSuccessStatusCode => true,
            _ => throw await ErrorOfAsync(answer, cancellation).ConfigureAwait(false),
        };
    }

    /// <summary>Begins an upload, or has the registry take the blob from another of its repositories: then the result is null.</summary>
    public async Task<Uri?> BeginUploadAsync(Digest digest, string? mountFrom, CancellationToken cancellation)
    {
        var query = mountFrom is null ? "" : $"?mount={Uri.EscapeDataString(digest.ToString())}&from={Uri.EscapeDataString(mountFrom)}";
        string[] scopes = mountFrom is null ? [PushScope] : [PushScope, $"repository:{mountFrom}:pull"];
        using var answer = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, new Uri(Base, $"blobs/uploads/{query}")) { Content = new ByteArrayContent([]) }, scopes, cancellation).ConfigureAwait(false);
        await EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        return answer.StatusCode == HttpStatusCode.Created ? null : Location(answer);
    }

    /// <summary>Sends a whole blob in one request.</summary>
    public async Task PutBlobAsync(Uri upload, Digest digest, Func<HttpContent> content, CancellationToken cancellation)
    {
        var separator = upload.Query.Length == 0 ? "?" : "&";
        var uri = new Uri($"{upload.AbsoluteUri}{separator}digest={Uri.EscapeDataString(digest.ToString())}");
        using var answer = await SendAsync(() => new HttpRequestMessage(HttpMethod.Put, uri) { Content = content() }, [PushScope], cancellation, isTransfer: true).ConfigureAwait(false);
        await EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
    }

    public async Task PutManifestAsync(string reference, byte[] json, string mediaType, CancellationToken cancellation)
    {
        using var answer = await SendAsync(
            () =>
            {
                var content = new ByteArrayContent(json);
                content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
                return new HttpRequestMessage(HttpMethod.Put, new Uri(Base, $"manifests/{reference}")) { Content = content };
            }, [PushScope], cancellation).ConfigureAwait(false);
        await EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
    }

    private HttpRequestMessage ManifestRequest(HttpMethod method, string reference)
    {
        var request = new HttpRequestMessage(method, new Uri(Base, $"manifests/{reference}"));
        request.Headers.TryAddWithoutValidation("Accept", ManifestTypes);
        return request;
    }

    private Uri Location(HttpResponseMessage answer) => answer.Headers.Location is { } location
        ? location.IsAbsoluteUri ? location : new Uri(Base, location)
        : throw new RegistryException(answer.StatusCode, null, $"{endpoint.Host} began an upload without saying where (no Location header)");

    private static async Task<HttpResponseMessage> CheckedAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        try
        {
            await EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    private static async Task EnsureSuccessAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        if (!answer.IsSuccessStatusCode)
        {
            throw await ErrorOfAsync(answer, cancellation).ConfigureAwait(false);
        }
    }

    private static async Task<RegistryException> ErrorOfAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        byte[] body;
        try
        {
            body = await ReadBoundedAsync(answer.Content, LargestErrorBody, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ImageException or HttpRequestException or IOException)
        {
            body = [];
        }

        var error = RegistryJson.FirstError(body);
        var message = error?.ToString()
            ?? $"unexpected status from {answer.RequestMessage?.Method} request to {answer.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Path)}: {(int)answer.StatusCode} {answer.ReasonPhrase}";
        var retry = answer.Headers.RetryAfter;
        return new RegistryException(answer.StatusCode, error?.Code, message, retry?.Delta ?? (retry?.Date is { } at ? at - DateTimeOffset.UtcNow : null));
    }

    private static async Task<byte[]> ReadBoundedAsync(HttpContent content, int largest, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(Patience);
        using var stream = await content.ReadAsStreamAsync(deadline.Token).ConfigureAwait(false);
        var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        for (int n; (n = await stream.ReadAsync(buffer, deadline.Token).ConfigureAwait(false)) > 0;)
        {
            body.Write(buffer, 0, n);
            if (body.Length > largest)
            {
                throw new ImageException(ImageErrorKind.Corrupt, $"the registry's answer is longer than the {largest} bytes that are accepted");
            }
        }

        return body.ToArray();
    }

    /// <summary>Sends a request, authenticating as asked. The request is made anew for a second attempt.</summary>
    private async Task<HttpResponseMessage> SendAsync(
        Func<HttpRequestMessage> make, string[] scopes, CancellationToken cancellation, bool isTransfer = false)
    {
        var answer = await SendOnceAsync(make, scopes, isTransfer, cancellation).ConfigureAwait(false);
        if (answer.StatusCode != HttpStatusCode.Unauthorized)
        {
            return answer;
        }

        var challenges = answer.Headers.WwwAuthenticate.Select(h => Challenge.Parse(h.ToString())).OfType<Challenge>().ToList();
        if (!await AuthenticateAsync(challenges, scopes, answer.RequestMessage?.Headers.Authorization, cancellation).ConfigureAwait(false))
        {
            return answer;
        }

        answer.Dispose();
        return await SendOnceAsync(make, scopes, isTransfer, cancellation).ConfigureAwait(false);
    }

    private async Task<HttpResponseMessage> SendOnceAsync(Func<HttpRequestMessage> make, string[] scopes, bool isTransfer, CancellationToken cancellation)
    {
        using var request = make();
        request.Headers.TryAddWithoutValidation("User-Agent", options.UserAgent);

        // A location on another host than the registry's gets no credentials of the registry's.
        if (request.RequestUri!.Authority == Base.Authority)
        {
            request.Headers.Authorization = _basic ?? KnownToken(scopes);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (!isTransfer)
        {
            deadline.CancelAfter(Patience);
        }

        try
        {
            return await http.ClientFor(endpoint.Host, endpoint.AllowInsecure)
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException($"{request.Method} \"{request.RequestUri}\": no answer within {Patience.TotalSeconds:0} s");
        }
        catch (HttpRequestException e)
        {
            throw new HttpRequestException($"{Verb(request.Method)} \"{request.RequestUri}\": {Innermost(e)}", e);
        }
    }

    private static string Verb(HttpMethod method) => string.Concat(method.Method[..1], method.Method[1..].ToLowerInvariant());

    private static string Innermost(Exception e)
    {
        while (e.InnerException is not null)
        {
            e = e.InnerException;
        }

        return e.Message;
    }

    private AuthenticationHeaderValue? KnownToken(string[] scopes)
    {
        if (credentials?.RegistryToken is { Length: > 0 } given)
        {
            return new AuthenticationHeaderValue("Bearer", given);
        }

        lock (_tokens)
        {
            return _tokens.TryGetValue(string.Join(' ', scopes), out var token) && token.Until > options.Time.GetUtcNow() ? token.Header : null;
        }
    }

    /// <summary>
    /// Gets what a challenge asks for, unless another request has just got it. False if what was <paramref name="refused"/> is all that we have.
    /// </summary>
    private async Task<bool> AuthenticateAsync(
        List<Challenge> challenges, string[] scopes, AuthenticationHeaderValue? refused, CancellationToken cancellation)
    {
        await _authenticating.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (challenges.FirstOrDefault(c => c.Scheme == "bearer") is { } bearer)
            {
                if (KnownToken(scopes) is { } known && !known.Equals(refused))
                {
                    return true;
                }

                if (credentials?.RegistryToken is { Length: > 0 })
                {
                    return false;
                }

                await FetchTokenAsync(bearer, scopes, cancellation).ConfigureAwait(false);
                return true;
            }

            if (challenges.Any(c => c.Scheme == "basic"))
            {
                if (_basic is not null)
                {
                    return refused is null;
                }

                _basic = BasicHeader() ?? throw new RegistryException(HttpStatusCode.Unauthorized, "UNAUTHORIZED", $"Head \"{Base}\": no basic auth credentials");
                return true;
            }

            return false;
        }
        finally
        {
            _authenticating.Release();
        }
    }

    private AuthenticationHeaderValue? BasicHeader() => string.IsNullOrEmpty(credentials?.Username)
        ? null
        : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credentials.Username}:{credentials.Password}")));

    /// <summary>Token authentication: GET with basic credentials or none, or POST with a refresh token (OAuth2).</summary>
    private async Task FetchTokenAsync(Challenge challenge, string[] scopes, CancellationToken cancellation)
    {
        if (!Uri.TryCreate(challenge["realm"], UriKind.Absolute, out var realm) || realm.Scheme is not ("https" or "http"))
        {
            throw new RegistryException(HttpStatusCode.Unauthorized, null, $"{endpoint.Host} asks for a token without naming a valid realm");
        }

        if (realm.Scheme == "http" && scheme == "https" && (credentials?.Username ?? credentials?.IdentityToken) is not null)
        {
            throw new RegistryException(HttpStatusCode.Unauthorized, null, $"{endpoint.Host} would have credentials sent unencrypted to {realm}");
        }

        using var request = TokenRequest(realm, challenge["service"], scopes);
        request.Headers.TryAddWithoutValidation("User-Agent", options.UserAgent);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(Patience);
        using var answer = await http.ClientFor(realm.Authority, RegistryEndpoint.IsInsecure(realm.Authority, options))
            .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
        if (!answer.IsSuccessStatusCode)
        {
            var error = await ErrorOfAsync(answer, cancellation).ConfigureAwait(false);
            throw answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.BadRequest
                ? new RegistryException(HttpStatusCode.Unauthorized, error.Code ?? "UNAUTHORIZED", $"Get \"{realm}\": unauthorized: incorrect username or password")
                : error;
        }

        var body = await ReadBoundedAsync(answer.Content, LargestErrorBody * 4, cancellation).ConfigureAwait(false);
        TokenAnswer? token;
        try
        {
            token = JsonSerializer.Deserialize(body, RegistryJson.Default.TokenAnswer);
        }
        catch (JsonException e)
        {
            throw new ImageException(ImageErrorKind.Unavailable, $"{realm.Host} answered a request for a token with something else", e);
        }

        if ((token?.Token ?? token?.AccessToken) is not { Length: > 0 } value)
        {
            throw new ImageException(ImageErrorKind.Unavailable, $"{realm.Host} answered a request for a token without one");
        }

        // Used a little shorter than it lives, and at least once.
        var life = TimeSpan.FromSeconds(Math.Clamp((token?.ExpiresIn ?? 60) - 10, 5, 3600));
        lock (_tokens)
        {
            _tokens[string.Join(' ', scopes)] = (new AuthenticationHeaderValue("Bearer", value), options.Time.GetUtcNow() + life);
        }
    }

    private HttpRequestMessage TokenRequest(Uri realm, string? service, string[] scopes)
    {
        if (credentials?.IdentityToken is { Length: > 0 } refresh)
        {
            var form = new List<KeyValuePair<string, string>>
            {
                new("grant_type", "refresh_token"), new("refresh_token", refresh), new("client_id", "cais"), new("service", service ?? ""), new("scope", string.Join(' ', scopes)),
            };
            return new HttpRequestMessage(HttpMethod.Post, realm) { Content = new FormUrlEncodedContent(form) };
        }

        var query = new StringBuilder(realm.Query.TrimStart('?'));
        void Add(string key, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                query.Append(query.Length == 0 ? "" : "&").Append(key).Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        Add("service", service);
        foreach (var scope in scopes)
        {
            Add("scope", scope);
        }

        Add("account", credentials?.Username);
        var request = new HttpRequestMessage(HttpMethod.Get, new UriBuilder(realm) { Query = query.ToString() }.Uri);
        request.Headers.Authorization = BasicHeader();
        return request;
    }
}
