using Cais.Api;

namespace Cais.Client;

/// <summary>Calls about the daemon itself.</summary>
public sealed partial class EngineClient
{
    public Task<SystemVersion> VersionAsync(CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", "/version"), ApiJson.Default.SystemVersion, cancellationToken);

    public Task<SystemInfo> InfoAsync(CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", "/info"), ApiJson.Default.SystemInfo, cancellationToken);

    /// <summary>Asks whether the daemon is there, and settles the API version.</summary>
    public Task PingAsync(CancellationToken cancellationToken = default) =>
        _versionConfirmed
            ? ExecuteAsync(new EngineRequest("GET", "/_ping") { Unversioned = true }, cancellationToken)
            : NegotiateAsync(cancellationToken);

    /// <summary>Checks registry credentials.</summary>
    public Task<AuthResponse> AuthenticateAsync(AuthConfig credentials, CancellationToken cancellationToken = default) =>
        SendAsync(JsonRequest("POST", "/auth", credentials, RequestJson.Default.AuthConfig), ApiJson.Default.AuthResponse, cancellationToken);

    /// <summary>What happens from now on, or between two times, as a <see cref="JsonStream"/>.</summary>
    public Task<EngineResponse> EventsAsync(
        string? since = null, string? until = null, string? filters = null, CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", "/events").With("since", since).With("until", until).With("filters", filters), cancellationToken);
}
