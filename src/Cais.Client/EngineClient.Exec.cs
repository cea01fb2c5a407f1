using System.Text.Json;
using Cais.Api;

namespace Cais.Client;

/// <summary>Exec calls: further processes in a running container.</summary>
public sealed partial class EngineClient
{
    /// <returns>The exec's id.</returns>
    public async Task<string> CreateExecAsync(string container, ContainerExecRequest exec, CancellationToken cancellationToken = default)
    {
        var request = JsonRequest(
            "POST", $"/containers/{EngineRequest.Escape(container)}/exec", exec, ExecRequestJson.Write);
        using var document = await GetDocumentAsync(request, cancellationToken).ConfigureAwait(false);
        return document.RootElement.GetProperty("Id").GetString() ?? throw new InvalidDataException("the daemon gave the exec no id");
    }

    /// <summary>Starts the process in the background.</summary>
    public Task StartExecDetachedAsync(string exec, ExecStartRequest start, CancellationToken cancellationToken = default) =>
        ExecuteAsync(ExecStart(exec, start), cancellationToken);

    /// <summary>Starts the process with its streams on the returned connection.</summary>
    public Task<HijackedConnection> StartExecAsync(string exec, ExecStartRequest start, CancellationToken cancellationToken = default) =>
        HijackAsync(ExecStart(exec, start), cancellationToken);

    public Task ResizeExecAsync(string exec, int height, int width, CancellationToken cancellationToken = default) =>
        ExecuteAsync(new EngineRequest("POST", $"/exec/{exec}/resize").With("h", height).With("w", width), cancellationToken);

    /// <summary>Whether the process still runs and, if not, with what status it ended.</summary>
    public async Task<(bool Running, int ExitCode)> ExecStatusAsync(string exec, CancellationToken cancellationToken = default)
    {
        using var document = await GetDocumentAsync(new EngineRequest("GET", $"/exec/{exec}/json"), cancellationToken).ConfigureAwait(false);
        var answer = document.RootElement;
        return (
            answer.TryGetProperty("Running", out var running) && running.ValueKind == JsonValueKind.True,
            answer.TryGetProperty("ExitCode", out var code) && code.ValueKind == JsonValueKind.Number ? code.GetInt32() : 0);
    }

    public Task<ExecInspectResponse> InspectExecAsync(string exec, CancellationToken cancellationToken = default) =>
        SendAsync(new EngineRequest("GET", $"/exec/{exec}/json"), ApiJson.Default.ExecInspectResponse, cancellationToken);

    private static EngineRequest ExecStart(string exec, ExecStartRequest start) =>
        JsonRequest("POST", $"/exec/{exec}/start", start, ExecRequestJson.Write);
}
