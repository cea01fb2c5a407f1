using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Ttrpc;

/// <summary>containerd's Task service, one shim's API. Which errors a method gives is in docs/shim.md.</summary>
/// <param name="client">Connected to the shim.</param>
/// <param name="service">One of the two names under which shims serve the same messages.</param>
public sealed class TaskClient(TtrpcClient client, string service = TaskClient.V2)
{
    /// <summary>The service name of shims that report version 2.</summary>
    public const string V2 = "containerd.task.v2.Task";

    /// <summary>The service name of shims that report version 3.</summary>
    public const string V3 = "containerd.task.v3.Task";

    /// <summary>The connection.</summary>
    public TtrpcClient Connection => client;

    public Task<StateResponse> StateAsync(StateRequest request, CancellationToken cancellation = default) =>
        Call("State", request, StateResponse.Parser, cancellation);

    public Task<CreateTaskResponse> CreateAsync(CreateTaskRequest request, CancellationToken cancellation = default) =>
        Call("Create", request, CreateTaskResponse.Parser, cancellation);

    public Task<StartResponse> StartAsync(StartRequest request, CancellationToken cancellation = default) =>
        Call("Start", request, StartResponse.Parser, cancellation);

    public Task<DeleteResponse> DeleteAsync(DeleteRequest request, CancellationToken cancellation = default) =>
        Call("Delete", request, DeleteResponse.Parser, cancellation);

    public Task<PidsResponse> PidsAsync(PidsRequest request, CancellationToken cancellation = default) =>
        Call("Pids", request, PidsResponse.Parser, cancellation);

    public Task PauseAsync(PauseRequest request, CancellationToken cancellation = default) =>
        Call("Pause", request, Empty.Parser, cancellation);

    public Task ResumeAsync(ResumeRequest request, CancellationToken cancellation = default) =>
        Call("Resume", request, Empty.Parser, cancellation);

    public Task CheckpointAsync(CheckpointTaskRequest request, CancellationToken cancellation = default) =>
        Call("Checkpoint", request, Empty.Parser, cancellation);

    public Task KillAsync(KillRequest request, CancellationToken cancellation = default) =>
        Call("Kill", request, Empty.Parser, cancellation);

    /// <summary>Adds a process, which <see cref="StartAsync"/> with the same exec id then starts.</summary>
    public Task ExecAsync(ExecProcessRequest request, CancellationToken cancellation = default) =>
        Call("Exec", request, Empty.Parser, cancellation);

    public Task ResizePtyAsync(ResizePtyRequest request, CancellationToken cancellation = default) =>
        Call("ResizePty", request, Empty.Parser, cancellation);

    public Task CloseIOAsync(CloseIORequest request, CancellationToken cancellation = default) =>
        Call("CloseIO", request, Empty.Parser, cancellation);

    public Task UpdateAsync(UpdateTaskRequest request, CancellationToken cancellation = default) =>
        Call("Update", request, Empty.Parser, cancellation);

    /// <summary>Answers when the process has exited.</summary>
    public Task<WaitResponse> WaitAsync(WaitRequest request, CancellationToken cancellation = default) =>
        Call("Wait", request, WaitResponse.Parser, cancellation);

    public Task<StatsResponse> StatsAsync(StatsRequest request, CancellationToken cancellation = default) =>
        Call("Stats", request, StatsResponse.Parser, cancellation);

    public Task<ConnectResponse> ConnectAsync(ConnectRequest request, CancellationToken cancellation = default) =>
        Call("Connect", request, ConnectResponse.Parser, cancellation);

    public Task ShutdownAsync(ShutdownRequest request, CancellationToken cancellation = default) =>
        Call("Shutdown", request, Empty.Parser, cancellation);

    private Task<TResponse> Call<TRequest, TResponse>(
        string method, TRequest request, MessageParser<TResponse> parser, CancellationToken cancellation)
        where TRequest : IMessage<TRequest>
        where TResponse : IMessage<TResponse> =>
        client.CallAsync(service, method, request, parser, timeout: null, cancellation);
}
