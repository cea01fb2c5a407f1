using Cais.Api;

namespace Cais.Client;

/// <summary>Network and volume calls.</summary>
public sealed partial class EngineClient
{
    public Task<NetworkCreateResponse> CreateNetworkAsync(NetworkCreateRequest network, CancellationToken cancellationToken = default) =>
        SendAsync(
            JsonRequest("POST", "/networks/create", network, RequestJson.Default.NetworkCreateRequest),
            ApiJson.Default.NetworkCreateResponse,
            cancellationToken);

    public Task<IReadOnlyList<NetworkSummary>> ListNetworksAsync(string? filters = null, CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", "/networks").With("filters", filters), ApiJson.Default.IReadOnlyListNetworkSummary, cancellationToken);

    public Task<NetworkInspect> InspectNetworkAsync(string network, bool verbose = false, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("GET", "/networks/" + EngineRequest.Escape(network)).With("verbose", verbose),
            ApiJson.Default.NetworkInspect,
            cancellationToken);

    public Task RemoveNetworkAsync(string network, CancellationToken cancellationToken = default) =>
        ExecuteAsync(new EngineRequest("DELETE", "/networks/" + EngineRequest.Escape(network)), cancellationToken);

    public Task ConnectNetworkAsync(string network, NetworkConnectRequest connect, CancellationToken cancellationToken = default) =>
        ExecuteAsync(
            JsonRequest("POST", $"/networks/{EngineRequest.Escape(network)}/connect", connect, RequestJson.Default.NetworkConnectRequest),
            cancellationToken);

    public Task DisconnectNetworkAsync(string network, NetworkDisconnectRequest disconnect, CancellationToken cancellationToken = default) =>
        ExecuteAsync(
            JsonRequest("POST", $"/networks/{EngineRequest.Escape(network)}/disconnect", disconnect, RequestJson.Default.NetworkDisconnectRequest),
            cancellationToken);

    public Task<VolumeInfo> CreateVolumeAsync(VolumeCreateRequest volume, CancellationToken cancellationToken = default) =>
        SendAsync(
            JsonRequest("POST", "/volumes/create", volume, RequestJson.Default.VolumeCreateRequest), ApiJson.Default.VolumeInfo, cancellationToken);

    public Task<VolumeListResponse> ListVolumesAsync(string? filters = null, CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", "/volumes").With("filters", filters), ApiJson.Default.VolumeListResponse, cancellationToken);

    public Task<VolumeInfo> InspectVolumeAsync(string volume, CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", "/volumes/" + EngineRequest.Escape(volume)), ApiJson.Default.VolumeInfo, cancellationToken);

    public Task RemoveVolumeAsync(string volume, bool force = false, CancellationToken cancellationToken = default) =>
        ExecuteAsync(new EngineRequest("DELETE", "/volumes/" + EngineRequest.Escape(volume)).With("force", force), cancellationToken);
}
