using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>What is asked of registries and leaves nothing here: /images/search, /distribution, /auth</summary>
internal sealed class RegistryEndpoints(CaisEngine engine)
{
    private const int DefaultResults = 25;
    private const int MostResults = 100;

    public async Task Search(ApiRequest request)
    {
        var term = request.Query("term") ?? throw EngineException.InvalidParameter("search term is required");
        var limit = request.Integer("limit") ?? 0;
        limit = limit == 0 ? DefaultResults : limit is > 0 and <= MostResults
            ? limit
            : throw EngineException.InvalidParameter($"limit {limit} is outside the range of [1, {MostResults}]");
        var filters = request.Filters().Accept("is-automated", "is-official", "stars");
        var official = filters.Has("is-official") ? filters.Flag("is-official", false) : (bool?)null;

        // No registry builds images any more: none is automated.
        var none = filters.Has("is-automated") && filters.Flag("is-automated", false);
        long stars = 0;
        foreach (var text in filters["stars"])
        {
            stars = long.TryParse(text, out var number) ? Math.Max(stars, number) : throw EngineException.InvalidParameter($"invalid filter 'stars={text}'");
        }

        var found = none ? [] : await engine.Images.SearchAsync(term, limit, RegistryAuth.Of(request), request.Gone);
        IReadOnlyList<ImageSearchResultItem> answer =
        [
            .. found.Where(f => f.Stars >= stars && (official ?? f.IsOfficial) == f.IsOfficial).Select(f => new ImageSearchResultItem
            {
                Name = f.Name,
                Description = f.Description,
                StarCount = f.Stars,
                IsOfficial = f.IsOfficial,
                IsAutomated = false,
            }),
        ];
        await request.Answer(answer, ApiJson.Default.IReadOnlyListImageSearchResultItem);
    }

    public async Task Inspect(ApiRequest request)
    {
        var name = ImageEndpoints.ReferenceOf(request.Path("name"));
        var image = await engine.Images.InspectRemoteAsync(name, RegistryAuth.Of(request), request.Gone);
        await request.Answer(
            new DistributionInspect
            {
                Descriptor = ContainerCreator.Describe(image.Descriptor),
                Platforms = [.. image.Platforms.Select(p => new ApiPlatform
                {
                    Architecture = p.Architecture,
                    Os = p.Os,
                    OsVersion = string.IsNullOrEmpty(p.OsVersion) ? null : p.OsVersion,
                    OsFeatures = p.OsFeatures is { Count: > 0 } features ? features : null,
                    Variant = string.IsNullOrEmpty(p.Variant) ? null : p.Variant,
                })],
            },
            ApiJson.Default.DistributionInspect);
    }

    /// <summary>GET /distribution/{name}/manifest (not in Docker): a manifest or index as its registry has it, byte for byte.</summary>
    public async Task Manifest(ApiRequest request)
    {
        var name = ImageEndpoints.ReferenceOf(request.Path("name"));
        var (descriptor, json) = await engine.Images.RemoteManifestAsync(name, RegistryAuth.Of(request), request.Gone);
        request.Http.Response.ContentType = descriptor.MediaType;
        request.Http.Response.ContentLength = json.Length;
        request.Http.Response.Headers["Docker-Content-Digest"] = descriptor.Digest.ToString();
        await request.Http.Response.Body.WriteAsync(json);
    }

    /// <summary>
    /// PUT /distribution/{name}/manifest (not in Docker): puts an index under a tag, after bringing each <c>source</c> (name@digest) with its blobs into the
    /// repository. Logins come in X-Registry-Config.
    /// </summary>
    public async Task PutManifest(ApiRequest request)
    {
        var name = ImageEndpoints.ReferenceOf(request.Path("name")).WithDefaultTag();
        var sources = request.QueryAll("source").Select(ImageEndpoints.ReferenceOf).ToList();
        var json = await request.Bytes(Cais.Oci.Images.Manifest.LargestSize);
        var digest = await engine.Images.PutRemoteIndexAsync(name, json, request.Http.Request.ContentType ?? "", sources, RegistryAuth.All(request), request.Gone);
        await request.Answer(new ApiDescriptor { MediaType = request.Http.Request.ContentType, Digest = digest.ToString(), Size = json.Length }, ApiJson.Default.ApiDescriptor);
    }

    public async Task Authenticate(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.AuthConfig);
        var login = await engine.Images.LoginAsync(body.Serveraddress ?? "", RegistryAuth.From(body) ?? new RegistryCredentials(), request.Gone);
        await request.Answer(new AuthResponse { Status = login.Status, IdentityToken = login.IdentityToken ?? "" }, ApiJson.Default.AuthResponse);
    }
}
