using System.Net;

namespace Cais.Images.Registry;

/// <summary>docker login: asks a registry whether it knows who we say we are.</summary>
internal sealed class RegistryLogin(RegistryHttp http, ImageStoreOptions options)
{
    /// <summary>What Docker's client calls Docker Hub.</summary>
    private const string HubServer = "index.docker.io";

    public async Task<LoginResult> RunAsync(string server, RegistryCredentials credentials, CancellationToken cancellation)
    {
        var endpoint = RegistryEndpoint.Itself(DomainOf(server), options);
        var name = Oci.Images.Reference.TryParse($"{DomainOf(server)}/login", out var reference)
            ? reference
            : throw new ImageException(ImageErrorKind.InvalidArgument, $"\"{server}\" is no registry's name");
        try
        {
            var scheme = await http.SchemeOfAsync(endpoint, cancellation).ConfigureAwait(false);
            using var connection = new RegistryConnection(http, endpoint, scheme, credentials, options, isLogin: true);
            using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, connection.Root), [], cancellation).ConfigureAwait(false);
            if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                var error = await RegistryAnswer.ErrorOfAsync(answer, cancellation).ConfigureAwait(false);
                throw new ImageException(ImageErrorKind.Unauthorized, $"login attempt to {connection.Root} failed with status: {(int)error.Status} {answer.ReasonPhrase}");
            }

            await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
            return new LoginResult("Login Succeeded", connection.IdentityToken);
        }
        catch (Exception e) when (RegistryErrorText.Translate(e, name, push: true) is { } translated)
        {
            throw translated;
        }
    }

    /// <summary>The registry that a server address means: <c>https://index.docker.io/v1/</c>, <c>localhost:5000</c>, <c>https://registry.example.com</c>.</summary>
    private static string DomainOf(string server)
    {
        var start = server.IndexOf("://", StringComparison.Ordinal);
        var host = (start < 0 ? server : server[(start + 3)..]).Split('/')[0];
        return host.Length == 0 || host is HubServer or "docker.io" or "registry-1.docker.io" ? Oci.Images.Reference.DefaultDomain : host;
    }
}
