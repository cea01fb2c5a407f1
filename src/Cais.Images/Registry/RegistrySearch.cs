using System.Net;

namespace Cais.Images.Registry;

/// <summary>
/// docker search: by the first registries' protocol, which Docker Hub still answers; a registry that does not is asked for the names of all its repositories.
/// </summary>
internal sealed class RegistrySearch(RegistryHttp http, ImageStoreOptions options)
{
    private const int LargestAnswer = 4 * 1024 * 1024;
    private const int PageSize = 500;
    private const int MostPages = 200;
    private const string HubServer = "index.docker.io";

    public async Task<IReadOnlyList<FoundRepository>> RunAsync(string term, int limit, RegistryCredentials? credentials, CancellationToken cancellation)
    {
        var slash = term.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : term[..slash];
        var hasDomain = first.AsSpan().IndexOfAny('.', ':') >= 0 || first == "localhost";
        var isHub = !hasDomain || first is "docker.io" or HubServer;
        var words = hasDomain ? term[(slash + 1)..] : term;
        var insecure = !isHub && RegistryEndpoint.IsInsecure(first, options);
        var endpoint = isHub
            ? new RegistryEndpoint { Host = HubServer, Scheme = "https" }
            : new RegistryEndpoint { Host = first, AllowInsecure = insecure, Scheme = insecure ? null : "https" };
        var name = Oci.Images.Reference.Parse($"{(isHub ? Oci.Images.Reference.DefaultDomain : first)}/search");
        try
        {
            var scheme = await http.SchemeOfAsync(endpoint, cancellation).ConfigureAwait(false);
            using var connection = new RegistryConnection(http, endpoint, scheme, credentials, options);
            return await OldSearchAsync(connection, words, limit, cancellation).ConfigureAwait(false)
                ?? await CatalogAsync(connection, first, words, limit, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (RegistryErrorText.Translate(e, name, push: true) is { } translated)
        {
            throw translated;
        }
    }

    private static async Task<IReadOnlyList<FoundRepository>?> OldSearchAsync(RegistryConnection connection, string words, int limit, CancellationToken cancellation)
    {
        var uri = new Uri(connection.Root, $"/v1/search?q={Uri.EscapeDataString(words)}&n={limit}");
        using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, uri), [], cancellation).ConfigureAwait(false);
        if (answer.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
        var body = await RegistryAnswer.ReadAsync(answer.Content, LargestAnswer, cancellation).ConfigureAwait(false);
        return [.. (RegistryJson.Read(body, RegistryJson.Default.SearchAnswer, uri.Host).Results ?? []).OfType<SearchAnswerItem>()
            .Where(r => r.Name is not null)
            .Select(r => new FoundRepository(r.Name!, r.Description ?? "", r.StarCount, r.IsOfficial)).Take(limit)];
    }

    private static async Task<IReadOnlyList<FoundRepository>> CatalogAsync(
        RegistryConnection connection, string domain, string words, int limit, CancellationToken cancellation)
    {
        var found = new List<FoundRepository>();
        Uri? next = new(connection.Root, $"_catalog?n={PageSize}");
        for (var page = 0; next is not null && found.Count < limit && page < MostPages; page++)
        {
            var uri = next;
            using var answer = await connection.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, uri), ["registry:catalog:*"], cancellation).ConfigureAwait(false);
            await RegistryAnswer.EnsureSuccessAsync(answer, cancellation).ConfigureAwait(false);
            var body = await RegistryAnswer.ReadAsync(answer.Content, LargestAnswer, cancellation).ConfigureAwait(false);
            found.AddRange((RegistryJson.Read(body, RegistryJson.Default.RepositoryList, uri.Host).Repositories ?? [])
                .Where(r => r is not null && r.Contains(words, StringComparison.OrdinalIgnoreCase))
                .Select(r => new FoundRepository($"{domain}/{r}", "", 0, false)).Take(limit - found.Count));
            next = RegistryAnswer.NextPage(answer, uri);
        }

        return found;
    }
}
