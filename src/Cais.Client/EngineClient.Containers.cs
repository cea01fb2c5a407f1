using System.Text.Json;
using Cais.Api;

namespace Cais.Client;

/// <summary>What of a container's streams an attach call wants.</summary>
public sealed record AttachOptions
{
    /// <summary>Live output and input.</summary>
    public bool Stream { get; init; } = true;

    /// <summary>What was logged before.</summary>
    public bool Logs { get; init; }

    public bool Stdin { get; init; }

    public bool Stdout { get; init; }

    public bool Stderr { get; init; }

    /// <summary>Keys that the daemon takes as the wish to detach; empty means its default.</summary>
    public string DetachKeys { get; init; } = "";
}

/// <summary>What of a container's log is wanted.</summary>
public sealed record LogOptions
{
    public bool Stdout { get; init; } = true;

    public bool Stderr { get; init; } = true;

    public bool Follow { get; init; }

    public bool Timestamps { get; init; }

    public bool Details { get; init; }

    /// <summary>Seconds since 1970 with up to nine decimals, or empty.</summary>
    public string Since { get; init; } = "";

    public string Until { get; init; } = "";

    /// <summary>How many lines from the end, or <c>all</c>.</summary>
    public string Tail { get; init; } = "all";
}

/// <summary>The event that <see cref="EngineClient.WaitContainerAsync"/> waits for.</summary>
public enum WaitCondition
{
    NotRunning,
    NextExit,
    Removed,
}

/// <summary>Container calls.</summary>
public sealed partial class EngineClient
{
    public Task<IReadOnlyList<ContainerSummary>> ListContainersAsync(
        bool all = false, int? limit = null, bool size = false, string? filters = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("GET", "/containers/json").With("all", all).With("limit", limit).With("size", size).With("filters", filters),
            ApiJson.Default.IReadOnlyListContainerSummary,
            cancellationToken);

    public async Task<ContainerCreateResponse> CreateContainerAsync(
        ContainerCreateRequest container, string? name = null, string? platform = null, CancellationToken cancellationToken = default)
    {
        var request = JsonRequest("POST", "/containers/create", container, RequestJson.Write)
            .With("name", name)
            .With("platform", platform);
        using var document = await GetDocumentAsync(request, cancellationToken).ConfigureAwait(false);
        return new ContainerCreateResponse
        {
            Id = document.RootElement.GetProperty("Id").GetString(),
            Warnings = document.RootElement.TryGetProperty("Warnings", out var warnings) && warnings.ValueKind == JsonValueKind.Array
                ? [.. warnings.EnumerateArray().Select(static w => w.GetString() ?? "")]
                : [],
        };
    }

    public Task<ContainerInspectResponse> InspectContainerAsync(string container, bool size = false, CancellationToken cancellationToken = default) =>
        SendAsync(
            new EngineRequest("GET", $"/containers/{EngineRequest.Escape(container)}/json").With("size", size),
            ApiJson.Default.ContainerInspectResponse,
            cancellationToken);

    public Task StartContainerAsync(
        string container, string? detachKeys = null, string? checkpoint = null, string? checkpointDirectory = null, CancellationToken cancellationToken = default) =>
        ExecuteAsync(
            Container("POST", container, "start").With("detachKeys", detachKeys).With("checkpoint", checkpoint).With("checkpoint-dir", checkpointDirectory),
            cancellationToken);

    /// <param name="container">Name or id.</param>
    /// <param name="signal">Signal to ask with; null takes the container's own.</param>
    /// <param name="timeoutSeconds">Grace before the kill; null takes the container's own, -1 waits without end.</param>
    /// <param name="cancellationToken">Stops waiting; the container goes on stopping.</param>
    public Task StopContainerAsync(string container, string? signal = null, int? timeoutSeconds = null, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "stop").With("signal", signal).With("t", timeoutSeconds), cancellationToken);

    public Task RestartContainerAsync(string container, string? signal = null, int? timeoutSeconds = null, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "restart").With("signal", signal).With("t", timeoutSeconds), cancellationToken);

    public Task KillContainerAsync(string container, string? signal = null, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "kill").With("signal", signal), cancellationToken);

    public Task PauseContainerAsync(string container, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "pause"), cancellationToken);

    public Task UnpauseContainerAsync(string container, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "unpause"), cancellationToken);

    public Task RenameContainerAsync(string container, string name, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "rename").With("name", name), cancellationToken);

    public Task<ContainerUpdateResponse> UpdateContainerAsync(
        string container, ContainerUpdateRequest update, CancellationToken cancellationToken = default) =>
        SendAsync(
            JsonRequest("POST", $"/containers/{EngineRequest.Escape(container)}/update", update, RequestJson.Default.ContainerUpdateRequest),
            ApiJson.Default.ContainerUpdateResponse,
            cancellationToken);

    public Task RemoveContainerAsync(
        string container, bool volumes = false, bool link = false, bool force = false, CancellationToken cancellationToken = default) =>
        ExecuteAsync(
            new EngineRequest("DELETE", "/containers/" + EngineRequest.Escape(container)).With("v", volumes).With("link", link).With("force", force),
            cancellationToken);

    /// <summary>Registers for the container's end. When the returned task is done, the daemon is watching; <see cref="PendingExit.ExitAsync"/> then waits.</summary>
    public async Task<PendingExit> WaitContainerAsync(string container, WaitCondition condition, CancellationToken cancellationToken = default) =>
        new(await SendAsync(
            Container("POST", container, "wait").With("condition", condition switch
            {
                WaitCondition.NextExit => "next-exit",
                WaitCondition.Removed => "removed",
                _ => null,
            }),
            cancellationToken).ConfigureAwait(false));

    public Task<HijackedConnection> AttachContainerAsync(string container, AttachOptions attach, CancellationToken cancellationToken = default) =>
        HijackAsync(
            Container("POST", container, "attach")
                .With("stream", attach.Stream).With("logs", attach.Logs)
                .With("stdin", attach.Stdin).With("stdout", attach.Stdout).With("stderr", attach.Stderr)
                .With("detachKeys", attach.DetachKeys),
            cancellationToken);

    public Task ResizeContainerAsync(string container, int height, int width, CancellationToken cancellationToken = default) =>
        ExecuteAsync(Container("POST", container, "resize").With("h", height).With("w", width), cancellationToken);

    /// <summary>The log as a stream: framed for containers without a terminal, raw for those with one.</summary>
    public Task<EngineResponse> ContainerLogsAsync(string container, LogOptions logs, CancellationToken cancellationToken = default) =>
        SendAsync(
            Container("GET", container, "logs")
                .With("stdout", logs.Stdout).With("stderr", logs.Stderr).With("follow", logs.Follow)
                .With("timestamps", logs.Timestamps).With("details", logs.Details)
                .With("since", logs.Since).With("until", logs.Until).With("tail", logs.Tail),
            cancellationToken);

    private static EngineRequest Container(string method, string container, string verb) =>
        new(method, $"/containers/{EngineRequest.Escape(container)}/{verb}");
}

/// <summary>A wait call that the daemon has accepted.</summary>
public sealed class PendingExit : IDisposable
{
    private readonly EngineResponse _response;

    internal PendingExit(EngineResponse response) => _response = response;

    /// <summary>The exit status, when it is there.</summary>
    /// <exception cref="EngineApiException">The container could not be waited for.</exception>
    public async Task<int> ExitAsync(CancellationToken cancellationToken = default)
    {
        using var document = await _response.ReadDocumentAsync(cancellationToken).ConfigureAwait(false);
        var answer = document.RootElement;
        if (answer.TryGetProperty("Error", out var error) && error.ValueKind == JsonValueKind.Object
            && error.TryGetProperty("Message", out var message) && message.GetString() is { Length: > 0 } text)
        {
            throw new EngineApiException(500, text);
        }

        return (int)answer.GetProperty("StatusCode").GetInt64();
    }

    public void Dispose() => _response.Dispose();
}
