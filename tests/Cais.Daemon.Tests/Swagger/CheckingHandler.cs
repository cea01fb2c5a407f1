using System.Text.Json;
using System.Text.RegularExpressions;

namespace Cais.Daemon.Tests.Swagger;

/// <summary>Holds every JSON answer that passes against the API's description.</summary>
internal sealed partial class CheckingHandler(SwaggerDocument swagger, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        var path = request.RequestUri!.AbsolutePath;

        // Older versions have members that the newest does not describe; streams are not one document.
        if (response.Content.Headers.ContentType?.MediaType != "application/json" || OlderVersion().IsMatch(path) || response.Content.Headers.ContentLength is null
            || request.Method == HttpMethod.Head)
        {
            return response;
        }

        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        using var json = JsonDocument.Parse(text);
        var errors = swagger.Check(request.Method.Method, VersionPrefix().Replace(path, "/").TrimEnd('/'), (int)response.StatusCode, json.RootElement);
        Assert.True(errors.Count == 0, $"{request.Method} {path} -> {(int)response.StatusCode}: {string.Join("; ", errors)}\n{text}");
        return response;
    }

    [GeneratedRegex(@"^/v1\.\d+/")]
    private static partial Regex VersionPrefix();

    [GeneratedRegex(@"^/v1\.([0-4]\d|5[0-1])/")]
    private static partial Regex OlderVersion();
}
