using Cais.Api;

namespace Cais.Client;

/// <summary>Image calls.</summary>
public sealed partial class EngineClient
{
    public Task<IReadOnlyList<ImageSummary>> ListImagesAsync(bool all = false, string? filters = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("GET", "/images/json").With("all", all).With("filters", filters),
            ApiJson.Default.IReadOnlyListImageSummary,
            cancellationToken);

    public Task<ImageInspect> InspectImageAsync(string image, CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", $"/images/{EngineRequest.Escape(image)}/json"), ApiJson.Default.ImageInspect, cancellationToken);

    public Task<IReadOnlyList<ImageHistoryResponseItem>> ImageHistoryAsync(string image, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("GET", $"/images/{EngineRequest.Escape(image)}/history"),
            ApiJson.Default.IReadOnlyListImageHistoryResponseItem,
            cancellationToken);

    /// <summary>Fetches an image from its registry; the answer is a <see cref="JsonStream"/> of progress.</summary>
    public Task<EngineResponse> PullImageAsync(
        string image, string? tag, string? platform = null, string? registryAuth = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("POST", "/images/create").With("fromImage", image).With("tag", tag).With("platform", platform)
                .WithHeader("X-Registry-Auth", registryAuth),
            cancellationToken);

    public Task<EngineResponse> PushImageAsync(
        string image, string? tag, string? registryAuth, string? platform = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("POST", $"/images/{EngineRequest.Escape(image)}/push").With("tag", tag).With("platform", platform)
                .WithHeader("X-Registry-Auth", registryAuth ?? "e30="),
            cancellationToken);

    public Task TagImageAsync(string image, string repository, string? tag, CancellationToken cancellationToken = default) =>
        ExecuteAsync(
            new EngineRequest("POST", $"/images/{EngineRequest.Escape(image)}/tag").With("repo", repository).With("tag", tag), cancellationToken);

    public Task<IReadOnlyList<ImageDeleteResponseItem>> RemoveImageAsync(
        string image, bool force = false, bool noPrune = false, IReadOnlyList<string>? platforms = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("DELETE", "/images/" + EngineRequest.Escape(image)).With("force", force).With("noprune", noPrune)
                .WithEach("platforms", platforms ?? []),
            ApiJson.Default.IReadOnlyListImageDeleteResponseItem,
            cancellationToken);

    /// <summary>Reads images out of an archive; the answer is a <see cref="JsonStream"/> of progress.</summary>
    public Task<EngineResponse> LoadImagesAsync(
        Stream archive, bool quiet = false, IReadOnlyList<string>? platforms = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("POST", "/images/load") { BodyStream = archive, ContentType = "application/x-tar" }
                .With("quiet", quiet ? "1" : "0").WithEach("platform", platforms ?? []),
            cancellationToken);

    /// <summary>Images as a tar archive.</summary>
    public Task<EngineResponse> SaveImagesAsync(
        IReadOnlyList<string> images, IReadOnlyList<string>? platforms = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("GET", "/images/get").WithEach("names", images).WithEach("platform", platforms ?? []), cancellationToken);
}
