using Cais.Shim.Events;
using Containerd.Events;
using Containerd.Task.V2;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Tasks;

/// <summary>What is told of one container, in containerd's messages.</summary>
internal sealed class TaskEvents(EventPublisher publisher, string container)
{
    public void Created(CreateTaskRequest request, int pid)
    {
        var created = new TaskCreate
        {
            ContainerId = container,
            Bundle = request.Bundle,
            Io = new TaskIO { Stdin = request.Stdin, Stdout = request.Stdout, Stderr = request.Stderr, Terminal = request.Terminal },
            Checkpoint = request.Checkpoint,
            Pid = (uint)pid,
        };
        created.Rootfs.AddRange(request.Rootfs);
        publisher.Publish("/tasks/create", "containerd.events.TaskCreate", created);
    }

    public void Started(int pid) =>
        publisher.Publish("/tasks/start", "containerd.events.TaskStart", new TaskStart { ContainerId = container, Pid = (uint)pid });

    public void ExecAdded(string execId) =>
        publisher.Publish("/tasks/exec-added", "containerd.events.TaskExecAdded", new TaskExecAdded { ContainerId = container, ExecId = execId });

    public void ExecStarted(string execId, int pid) =>
        publisher.Publish("/tasks/exec-started", "containerd.events.TaskExecStarted", new TaskExecStarted { ContainerId = container, ExecId = execId, Pid = (uint)pid });

    public void Paused() => publisher.Publish("/tasks/paused", "containerd.events.TaskPaused", new TaskPaused { ContainerId = container });

    public void Resumed() => publisher.Publish("/tasks/resumed", "containerd.events.TaskResumed", new TaskResumed { ContainerId = container });

    public void Checkpointed(string imagePath) =>
        publisher.Publish("/tasks/checkpointed", "containerd.events.TaskCheckpointed", new TaskCheckpointed { ContainerId = container, Checkpoint = imagePath });

    public void OutOfMemory() => publisher.Publish("/tasks/oom", "containerd.events.TaskOOM", new TaskOOM { ContainerId = container });

    /// <summary>A process ended; the container's first has an empty exec id, and goes by the container's.</summary>
    public void Exited(string execId, int pid, ProcessExit exit) => publisher.Publish("/tasks/exit", "containerd.events.TaskExit", new TaskExit
    {
        ContainerId = container,
        Id = execId.Length == 0 ? container : execId,
        Pid = (uint)pid,
        ExitStatus = exit.Status,
        ExitedAt = exit.At.ToTimestamp(),
    });

    public void Deleted(int pid, ProcessExit exit) => publisher.Publish("/tasks/delete", "containerd.events.TaskDelete", new TaskDelete
    {
        ContainerId = container,
        Pid = (uint)pid,
        ExitStatus = exit.Status,
        ExitedAt = exit.At.ToTimestamp(),
    });
}
