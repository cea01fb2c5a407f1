using System.Collections.Concurrent;
using System.Collections.Specialized;
using System.Net;
using System.Text;
using System.Web;

namespace Cais.Images.Tests.Registry;

/// <summary>
/// A registry behind a token server (distribution-spec's token authentication, and OAuth2 with refresh tokens): one host that gives out tokens at <c>/token</c> and lets
/// through to the registry what has one of them.
/// </summary>
public sealed class TokenGate : IAsyncDisposable
{
    public const string User = "ada";
    public const string Password = "secret";

    private readonly HttpListener _listener = new();
    private readonly TestRegistry _registry;
    private readonly HttpClient _forward = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly ConcurrentDictionary<string, int> _tokens = [];
    private readonly Task _serving;
    private int _issued;

    public TokenGate(TestRegistry registry)
    {
        _registry = registry;
        Host = $"127.0.0.1:{TestRegistry.FreePort()}";
        _listener.Prefixes.Add($"http://{Host}/");
        _listener.Start();
        _serving = Task.Run(ServeAsync);
    }

    public string Host { get; }

    /// <summary>What a login gives for a password, and what is taken in its place from then on.</summary>
    public string RefreshToken { get; set; } = "refresh-1";

    /// <summary>
    /// How many requests the first token is good for. Only the first: requests that run beside one another would use up any number of the next one before the
    /// request that was refused comes again.
    /// </summary>
    public int UsesOfFirstToken { get; set; } = int.MaxValue;

    /// <summary>What was asked of the token server: method, and the parameters of its query or form.</summary>
    public ConcurrentQueue<(string Method, NameValueCollection Parameters, bool WithPassword)> Asked { get; } = [];

    public async ValueTask DisposeAsync()
    {
        // Not stopped first: .NET would then listen once more to be able to close, at a port that another test may have by now.
        _listener.Close();
        await _serving;
        _forward.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            _ = Task.Run(async () =>
            {
                await (context.Request.Url!.AbsolutePath == "/token" ? GiveTokenAsync(context) : ForwardAsync(context));
                context.Response.Close();
            });
        }
    }

    private async Task GiveTokenAsync(HttpListenerContext context)
    {
        var isForm = context.Request.HttpMethod == "POST";
        using var reader = new StreamReader(context.Request.InputStream);
        var parameters = isForm ? HttpUtility.ParseQueryString(await reader.ReadToEndAsync()) : context.Request.QueryString;
        var isUser = context.Request.Headers["Authorization"] == "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}"));
        Asked.Enqueue((context.Request.HttpMethod, parameters, context.Request.Headers["Authorization"] is not null));
        if (isForm ? parameters["grant_type"] != "refresh_token" || parameters["refresh_token"] != RefreshToken : !isUser)
        {
            context.Response.StatusCode = 401;
            return;
        }

        var number = Interlocked.Increment(ref _issued);
        var token = $"access-{number}";
        _tokens[token] = number == 1 ? UsesOfFirstToken : int.MaxValue;
        var refresh = parameters["offline_token"] == "true" ? $",\"refresh_token\":\"{RefreshToken}\"" : "";
        context.Response.ContentType = "application/json";
        await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes($"{{\"{(isForm ? "access_token" : "token")}\":\"{token}\",\"expires_in\":300{refresh}}}"));
    }

    private async Task ForwardAsync(HttpListenerContext context)
    {
        var request = context.Request;
        if (request.Headers["Authorization"] is not { } header || !header.StartsWith("Bearer ", StringComparison.Ordinal) || !TryUse(header[7..]))
        {
            context.Response.StatusCode = 401;
            context.Response.AddHeader("WWW-Authenticate", $"Bearer realm=\"http://{Host}/token\",service=\"gate\"");
            return;
        }

        using var forwarded = new HttpRequestMessage(new HttpMethod(request.HttpMethod), $"http://{_registry.Host}{request.RawUrl}");
        if (request.HasEntityBody)
        {
            forwarded.Content = new StreamContent(request.InputStream);
            forwarded.Content.Headers.TryAddWithoutValidation("Content-Type", request.ContentType);
        }

        forwarded.Headers.TryAddWithoutValidation("Accept", request.Headers["Accept"]);
        forwarded.Headers.Host = Host;
        using var answer = await _forward.SendAsync(forwarded, HttpCompletionOption.ResponseHeadersRead);
        context.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(h => h.Key is "Docker-Content-Digest" or "Location" or "Content-Type" or "Range"))
        {
            context.Response.AddHeader(name, string.Join(',', values));
        }

        if (answer.Content.Headers.ContentLength is { } length)
        {
            context.Response.ContentLength64 = length;
        }

        if (request.HttpMethod != "HEAD")
        {
            await answer.Content.CopyToAsync(context.Response.OutputStream);
        }
    }

    private bool TryUse(string token) => _tokens.AddOrUpdate(token, -1, (_, left) => left - 1) >= 0;
}
