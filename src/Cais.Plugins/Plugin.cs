using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Cais.Plugins;

/// <summary>A plugin by docker's plugin protocol, version 1: every method is a POST of JSON that is answered by JSON.</summary>
public sealed class Plugin : IDisposable
{
    private const string MediaType = "application/vnd.docker.plugins.v1.2+json";

    /// <summary>An answer is a few lines; what is longer comes from something that is no plugin.</summary>
    private const int LongestAnswer = 4 * 1024 * 1024;

    /// <summary>How long a method may take, as with docker.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly HttpClient _client;

    private Plugin(string name, PluginAddress address)
    {
        Name = name;
        Address = address;
        _client = new HttpClient(Handler(address))
        {
            BaseAddress = new Uri(address.Socket is not null ? "http://plugin/" : $"{(address.Tls is null ? "http" : "https")}://{address.Host}:{address.Port}/"),
            Timeout = Patience,
            MaxResponseContentBufferSize = LongestAnswer,
        };
    }

    public string Name { get; }

    /// <summary>What it is: <c>VolumeDriver</c>, <c>NetworkDriver</c>, <c>IpamDriver</c>, <c>authz</c>, <c>LogDriver</c> ...</summary>
    public IReadOnlyList<string> Implements { get; private set; } = [];

    internal PluginAddress Address { get; }

    /// <summary>Shakes hands with a plugin.</summary>
    /// <exception cref="PluginException">It does not answer, or not as a plugin.</exception>
    internal static async Task<Plugin> ActivateAsync(string name, PluginAddress address, CancellationToken cancellation)
    {
        var plugin = new Plugin(name, address);
        try
        {
            var body = await plugin.PostAsync("Plugin.Activate", [], cancellation).ConfigureAwait(false);
            plugin.Implements = Read(plugin.Name, "Plugin.Activate", body, PluginJson.Default.ActivateResponse).Implements ?? [];
            return plugin;
        }
        catch
        {
            plugin.Dispose();
            throw;
        }
    }

    /// <summary>Calls a method, <c>VolumeDriver.Mount</c> for instance.</summary>
    /// <exception cref="PluginException">The plugin does not answer, or says no: then in its own words.</exception>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        string method, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TResponse> responseType, CancellationToken cancellation)
    {
        var body = await PostAsync(method, JsonSerializer.SerializeToUtf8Bytes(request, requestType), cancellation).ConfigureAwait(false);
        return Read(Name, method, body, responseType);
    }

    public void Dispose() => _client.Dispose();

    private static T Read<T>(string name, string method, byte[] body, JsonTypeInfo<T> type)
    {
        try
        {
            return (body.AsSpan().Trim(" \t\r\n"u8).IsEmpty ? default : JsonSerializer.Deserialize(body, type))
                ?? JsonSerializer.Deserialize("{}", type)!;
        }
        catch (JsonException e)
        {
            throw new PluginException($"plugin \"{name}\": {method}: the answer is no valid JSON: {e.Message}", cause: e);
        }
    }

    private static string? ErrorOf(byte[] body)
    {
        try
        {
            return body is [(byte)'{', ..] && JsonSerializer.Deserialize(body, PluginJson.Default.PluginError)?.Err is { Length: > 0 } error ? error : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static SocketsHttpHandler Handler(PluginAddress address)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30) };
        if (address.Socket is { } path)
        {
            handler.ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }

        if (address.Tls is { } tls)
        {
            handler.SslOptions = TlsOptions(tls);
        }

        return handler;
    }

    private static SslClientAuthenticationOptions TlsOptions(PluginTls tls)
    {
        var options = new SslClientAuthenticationOptions();
        if (tls.InsecureSkipVerify)
        {
#pragma warning disable CA5359 // The administrator's own file asks for it by name.
            options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (!string.IsNullOrEmpty(tls.CAFile))
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(tls.CAFile);
            options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        if (!string.IsNullOrEmpty(tls.CertFile) && !string.IsNullOrEmpty(tls.KeyFile))
        {
            options.ClientCertificates = [X509Certificate2.CreateFromPemFile(tls.CertFile, tls.KeyFile)];
        }

        return options;
    }

    private async Task<byte[]> PostAsync(string method, byte[] body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, method) { Content = new ByteArrayContent(body) };
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse(MediaType));
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(MediaType);
        try
        {
            using var response = await _client.SendAsync(request, cancellation).ConfigureAwait(false);
            var answer = await response.Content.ReadAsByteArrayAsync(cancellation).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new PluginException(
                    $"{method}: {ErrorOf(answer) ?? $"plugin \"{Name}\" answers with status {(int)response.StatusCode}"}",
                    unsupported: response.StatusCode == HttpStatusCode.NotFound);
            }

            return ErrorOf(answer) is { } error ? throw new PluginException(error) : answer;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException)
        {
            throw new PluginException($"plugin \"{Name}\": {method}: {e.GetBaseException().Message}", cause: e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new PluginException($"plugin \"{Name}\": {method}: no answer within {Patience.TotalSeconds:0} seconds", cause: e);
        }
    }
}
