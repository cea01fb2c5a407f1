using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Cais.Images.Registry;

/// <summary>
/// Proves to one registry who asks, in the way that its challenges say (distribution-spec and Docker's token specification): a token for certain
/// scopes, or a name and a password. Tokens are kept as long as they live.
/// </summary>
internal sealed class RegistryAuthenticator(
    RegistryHttp http, RegistryEndpoint endpoint, string scheme, RegistryCredentials? credentials, ImageStoreOptions options) : IDisposable
{
    private const int LargestAnswer = 256 * 1024;

    private readonly Dictionary<string, (AuthenticationHeaderValue Header, DateTimeOffset Until)> _tokens = [];
    private readonly SemaphoreSlim _authenticating = new(1);
    private AuthenticationHeaderValue? _basic;

    /// <summary>A refresh token that the token server gave for a password when <see cref="AuthenticateAsync"/> asked for one.</summary>
    public string? IdentityToken { get; private set; }

    /// <summary>Whether a login is being checked: then the token server is asked for a refresh token too.</summary>
    public bool IsLogin { get; init; }

    public void Dispose() => _authenticating.Dispose();

    /// <summary>What to send with a request that needs these scopes, as far as is known now.</summary>
    public AuthenticationHeaderValue? HeaderFor(string[] scopes) => _basic ?? KnownToken(scopes);

    /// <summary>
    /// Gets what a challenge asks for, unless another request has just got it. False if what was <paramref name="refused"/> is all that we have.
    /// Throws <see cref="RegistryException"/>.
    /// </summary>
    public async Task<bool> AuthenticateAsync(
        IReadOnlyList<Challenge> challenges, string[] scopes, AuthenticationHeaderValue? refused, CancellationToken cancellation)
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

                _basic = BasicHeader() ?? throw new RegistryException(
                    HttpStatusCode.Unauthorized, "UNAUTHORIZED", $"Head \"{scheme}://{endpoint.Host}{endpoint.PathPrefix}/v2/\": no basic auth credentials");
                return true;
            }

            return false;
        }
        finally
        {
            _authenticating.Release();
        }
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

    private AuthenticationHeaderValue? BasicHeader() => string.IsNullOrEmpty(credentials?.Username)
        ? null
        : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credentials.Username}:{credentials.Password}")));

    /// <summary>The registry's own certificates are good for its token server if both are one host; any other host is judged by itself.</summary>
    private RegistryEndpoint TokenServer(Uri realm) => string.Equals(realm.Authority, endpoint.Host, StringComparison.OrdinalIgnoreCase)
        ? endpoint
        : RegistryEndpoint.Plain(realm.Authority, RegistryEndpoint.IsInsecure(realm.Authority, options));

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
        deadline.CancelAfter(RegistryConnection.Patience);
        using var answer = await http.ClientFor(TokenServer(realm))
            .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
        if (!answer.IsSuccessStatusCode)
        {
            var error = await RegistryAnswer.ErrorOfAsync(answer, cancellation).ConfigureAwait(false);
            throw answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.BadRequest
                ? new RegistryException(HttpStatusCode.Unauthorized, error.Code ?? "UNAUTHORIZED", $"Get \"{realm}\": unauthorized: incorrect username or password")
                : error;
        }

        var body = await RegistryAnswer.ReadAsync(answer.Content, LargestAnswer, cancellation).ConfigureAwait(false);
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

        IdentityToken = token?.RefreshToken ?? IdentityToken;

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
        if (IsLogin)
        {
            Add("client_id", "cais");
            Add("offline_token", "true");
        }

        var request = new HttpRequestMessage(HttpMethod.Get, new UriBuilder(realm) { Query = query.ToString() }.Uri);
        request.Headers.Authorization = BasicHeader();
        return request;
    }
}
