using System.Net;
using System.Net.Sockets;

namespace Cais.Images.Registry;

/// <summary>
/// Requests to one endpoint, with the authentication that it asks for. Errors are <see cref="RegistryException"/> for an answer and
/// <see cref="HttpRequestException"/> or <see cref="IOException"/> for none.
/// </summary>
internal sealed class RegistryConnection(
    RegistryHttp http, RegistryEndpoint endpoint, string scheme, RegistryCredentials? credentials, ImageStoreOptions options, bool isLogin = false) : IDisposable
{
    /// <summary>How long a server may keep silent before its answer, and within it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private const int MostAttempts = 3;

    private readonly RegistryAuthenticator _authenticator = new(http, endpoint, scheme, credentials, options) { IsLogin = isLogin };

    public RegistryEndpoint Endpoint => endpoint;

    /// <summary>The registry's address up to and with <c>/v2/</c>.</summary>
    public Uri Root { get; } = new($"{scheme}://{endpoint.Host}{(endpoint.OverridesPath ? endpoint.PathPrefix : endpoint.PathPrefix + "/v2")}/");

    /// <summary>See <see cref="RegistryAuthenticator.IdentityToken"/>.</summary>
    public string? IdentityToken => _authenticator.IdentityToken;

    /// <summary>What the registry last said of its limit on pulls.</summary>
    public RateLimit? RateLimit { get; private set; }

    public void Dispose() => _authenticator.Dispose();

    /// <summary>
    /// Sends a request, authenticating as asked. The request is made anew for each attempt. There are three: the first may go without a token, and
    /// the one that it gets then, perhaps another request's, may end before it is used.
    /// </summary>
    public async Task<HttpResponseMessage> SendAsync(
        Func<HttpRequestMessage> make, string[] scopes, CancellationToken cancellation, bool isTransfer = false)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await SendOnceAsync(make, scopes, isTransfer, cancellation).ConfigureAwait(false);
            if (answer.StatusCode != HttpStatusCode.Unauthorized || attempt == MostAttempts)
            {
                return answer;
            }

            var challenges = answer.Headers.WwwAuthenticate.Select(h => Challenge.Parse(h.ToString())).OfType<Challenge>().ToList();
            try
            {
                if (!await _authenticator.AuthenticateAsync(challenges, scopes, answer.RequestMessage?.Headers.Authorization, cancellation).ConfigureAwait(false))
                {
                    return answer;
                }
            }
            catch
            {
                answer.Dispose();
                throw;
            }

            answer.Dispose();
        }
    }

    /// <summary>Fetches something from a place outside of the registry (a foreign layer's): without credentials and with the system's certificates.</summary>
    public Task<HttpResponseMessage> SendElsewhereAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        var authority = request.RequestUri!.Authority;
        request.Headers.TryAddWithoutValidation("User-Agent", options.UserAgent);
        return http.ClientFor(RegistryEndpoint.Plain(authority, RegistryEndpoint.IsInsecure(authority, options)))
            .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    private async Task<HttpResponseMessage> SendOnceAsync(Func<HttpRequestMessage> make, string[] scopes, bool isTransfer, CancellationToken cancellation)
    {
        using var request = make();
        request.Headers.TryAddWithoutValidation("User-Agent", options.UserAgent);

        // A location on another host than the registry's gets no credentials of the registry's.
        if (request.RequestUri!.Authority == Root.Authority)
        {
            request.Headers.Authorization = _authenticator.HeaderFor(scopes);
            foreach (var (name, value) in endpoint.Headers)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (!isTransfer)
        {
            deadline.CancelAfter(Patience);
        }

        try
        {
            var answer = await http.ClientFor(endpoint).SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
            RateLimit = RateLimit.Of(answer) ?? RateLimit;
            return answer;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException($"{request.Method} \"{request.RequestUri}\": no answer within {Patience.TotalSeconds:0} s");
        }
        catch (HttpRequestException e)
        {
            throw new HttpRequestException($"{Verb(request.Method)} \"{request.RequestUri}\": {Reason(e, request.RequestUri)}", e);
        }
    }

    private static string Verb(HttpMethod method) => string.Concat(method.Method[..1], method.Method[1..].ToLowerInvariant());

    /// <summary>The innermost reason. What the resolver says by itself ("Resource temporarily unavailable") tells nobody that a name was looked up.</summary>
    internal static string Reason(Exception e, Uri? address)
    {
        while (e.InnerException is not null)
        {
            e = e.InnerException;
        }

        return e is SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery } lookup
            ? $"lookup {address?.Host}: {(lookup.SocketErrorCode == SocketError.TryAgain ? "temporary failure in name resolution" : "no such host")}"
            : e.Message;
    }
}
