using Cais.Shim.Runtimes;
using Cais.Ttrpc;
using Containerd.Runc.V1;
using Containerd.Task.V2;
using Containerd.V1.Types;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Tasks;

/// <summary>containerd's Task service (versions 2 and 3, whose messages are the same) over the containers of this shim. Loop thread only.</summary>
internal sealed class TaskService
{
    private readonly TaskHost _host;
    private readonly Dictionary<string, ContainerTask?> _tasks = [];
    private readonly Action _onShutdown;
    private readonly Action _onChanged;

    /// <param name="host">The shim.</param>
    /// <param name="onChanged">Called when a container was started or deleted.</param>
    /// <param name="onShutdown">Called when the shim is asked to end and has no container any more.</param>
    public TaskService(TaskHost host, Action onChanged, Action onShutdown)
    {
        _host = host;
        _onChanged = onChanged;
        _onShutdown = onShutdown;
    }

    public bool IsEmpty => _tasks.Count == 0;

    /// <summary>Whether a container's task waits for this process.</summary>
    public bool Owns(int pid) => _tasks.Values.Any(task => task?.Owns(pid) ?? false);

    public void Register(TtrpcServer server)
    {
        foreach (var service in (ReadOnlySpan<string>)[TaskClient.V2, TaskClient.V3])
        {
            server.Handle(service, "State", StateRequest.Parser, (r, _) => ValueTask.FromResult(State(r)));
            server.Handle(service, "Create", CreateTaskRequest.Parser, (r, _) => Work(() => CreateAsync(r)));
            server.Handle(service, "Start", StartRequest.Parser, (r, _) => Work(() => StartAsync(r)));
            server.Handle(service, "Delete", DeleteRequest.Parser, (r, _) => Work(() => DeleteAsync(r)));
            server.Handle(service, "Pids", PidsRequest.Parser, (r, _) => Work(() => PidsAsync(r)));
            server.Handle(service, "Pause", PauseRequest.Parser, (r, _) => Work(() => Task(r.Id).PauseAsync()));
            server.Handle(service, "Resume", ResumeRequest.Parser, (r, _) => Work(() => Task(r.Id).ResumeAsync()));
            server.Handle(service, "Checkpoint", CheckpointTaskRequest.Parser, (r, _) => Work(() => CheckpointAsync(r)));
            server.Handle(service, "Kill", KillRequest.Parser, (r, _) => Work(() => Task(r.Id).KillAsync(r.ExecId, (int)r.Signal, r.All)));
            server.Handle(service, "Exec", ExecProcessRequest.Parser, (r, _) => Now(() => Task(r.Id).AddExec(r)));
            server.Handle(service, "ResizePty", ResizePtyRequest.Parser, (r, _) => Now(() => Resize(r)));
            server.Handle(service, "CloseIO", CloseIORequest.Parser, (r, _) => Now(() => CloseIO(r)));
            server.Handle(service, "Update", UpdateTaskRequest.Parser, (r, _) => Work(() => UpdateAsync(r)));
            server.Handle(service, "Wait", WaitRequest.Parser, WaitAsync);
            server.Handle(service, "Stats", StatsRequest.Parser, (r, _) => ValueTask.FromResult(new StatsResponse { Stats = Task(r.Id).Stats() }));
            server.Handle(service, "Connect", ConnectRequest.Parser, (r, _) => ValueTask.FromResult(Connect(r)));
            server.Handle(service, "Shutdown", ShutdownRequest.Parser, (_, _) => Now(Shutdown));
        }
    }

    private async Task<CreateTaskResponse> CreateAsync(CreateTaskRequest request)
    {
        if (request.Id.Length == 0 || !Path.IsPathRooted(request.Bundle))
        {
            throw TaskErrors.Invalid("create needs an id and the bundle's absolute path");
        }

        // Named before it exists, so that the name is taken once.
        if (!_tasks.TryAdd(request.Id, null))
        {
            throw TaskErrors.Exists($"container {request.Id}");
        }

        try
        {
            var task = await ContainerTask.CreateAsync(_host, request);
            _tasks[request.Id] = task;
            return new CreateTaskResponse { Pid = (uint)task.Init.Pid };
        }
        finally
        {
            if (_tasks[request.Id] is null)
            {
                _tasks.Remove(request.Id);
                _onChanged();
            }
        }
    }

    private async Task<StartResponse> StartAsync(StartRequest request)
    {
        var pid = await Task(request.Id).StartAsync(request.ExecId);
        _onChanged();
        return new StartResponse { Pid = (uint)pid };
    }

    private async Task<DeleteResponse> DeleteAsync(DeleteRequest request)
    {
        var (pid, exit) = await Task(request.Id).DeleteAsync(request.ExecId);
        if (request.ExecId.Length == 0)
        {
            _tasks.Remove(request.Id);
        }

        _onChanged();
        return new DeleteResponse { Pid = (uint)pid, ExitStatus = exit.Status, ExitedAt = exit.At.ToTimestamp() };
    }

    private StateResponse State(StateRequest request)
    {
        var task = Task(request.Id);
        var process = task.Process(request.ExecId);
        return new StateResponse
        {
            Id = request.ExecId.Length == 0 ? task.Id : request.ExecId,
            Bundle = task.Bundle,
            Pid = (uint)process.Pid,
            Status = process.Status switch
            {
                ProcessStatus.Created => Status.Created,
                ProcessStatus.Stopped => Status.Stopped,
                _ => task.IsPaused ? Status.Paused : Status.Running,
            },
            Stdin = process.Paths.Input,
            Stdout = process.Paths.Output,
            Stderr = process.Paths.Error,
            Terminal = process.Paths.Terminal,
            ExitStatus = process.Exit?.Status ?? 0,
            ExitedAt = process.Exit?.At.ToTimestamp(),
            ExecId = request.ExecId,
        };
    }

    private async Task<PidsResponse> PidsAsync(PidsRequest request)
    {
        var task = Task(request.Id);
        var response = new PidsResponse();
        foreach (var pid in await task.PidsAsync())
        {
            var info = new ProcessInfo { Pid = (uint)pid };
            if (task.ExecIdOf(pid) is { } execId)
            {
                info.Info = new Any { TypeUrl = "containerd.runc.v1.ProcessDetails", Value = new ProcessDetails { ExecId = execId }.ToByteString() };
            }

            response.Processes.Add(info);
        }

        return response;
    }

    private Task CheckpointAsync(CheckpointTaskRequest request)
    {
        var options = request.Options is { Value.IsEmpty: false } given ? CheckpointOptions.Parser.ParseFrom(given.Value) : new CheckpointOptions();
        return Task(request.Id).CheckpointAsync(new TaskCheckpoint(options.ImagePath.Length > 0 ? options.ImagePath : request.Path, options.WorkPath)
        {
            Exit = options.Exit,
            OpenTcp = options.OpenTcp,
            ExternalUnixSockets = options.ExternalUnixSockets,
            Terminal = options.Terminal,
            FileLocks = options.FileLocks,
            EmptyNamespaces = options.EmptyNamespaces,
            CgroupsMode = options.CgroupsMode,
            ParentPath = options.ParentPath,
        });
    }

    private Task UpdateAsync(UpdateTaskRequest request) =>
        Task(request.Id).UpdateAsync(request.Resources?.Value.Memory ?? throw TaskErrors.Invalid("update needs resources"));

    private void Resize(ResizePtyRequest request)
    {
        var process = Task(request.Id).Process(request.ExecId);
        process.Streams?.Resize((ushort)Math.Min(request.Height, ushort.MaxValue), (ushort)Math.Min(request.Width, ushort.MaxValue));
    }

    private void CloseIO(CloseIORequest request)
    {
        if (request.Stdin)
        {
            Task(request.Id).Process(request.ExecId).CloseInput();
        }
    }

    private async ValueTask<WaitResponse> WaitAsync(WaitRequest request, TtrpcCall call)
    {
        var exit = await Task(request.Id).Process(request.ExecId).Exited.WaitAsync(call.Cancellation);
        return new WaitResponse { ExitStatus = exit.Status, ExitedAt = exit.At.ToTimestamp() };
    }

    private ConnectResponse Connect(ConnectRequest request) => new()
    {
        ShimPid = (uint)Environment.ProcessId,
        TaskPid = _tasks.GetValueOrDefault(request.Id) is { } task ? (uint)task.Init.Pid : 0,
        Version = "v2",
    };

    private void Shutdown()
    {
        if (IsEmpty)
        {
            _onShutdown();
        }
    }

    private ContainerTask Task(string id) => _tasks.GetValueOrDefault(id) ?? throw TaskErrors.NotFound($"container {id}");

    private async ValueTask<T> Work<T>(Func<Task<T>> work)
    {
        using (_host.Reaper.Hold())
        {
            return await work();
        }
    }

    private async ValueTask<Empty> Work(Func<Task> work)
    {
        using (_host.Reaper.Hold())
        {
            await work();
            return new Empty();
        }
    }

    private static ValueTask<Empty> Now(Action action)
    {
        action();
        return ValueTask.FromResult(new Empty());
    }
}
