using System.Text.RegularExpressions;
using Cais.Ttrpc;
using Containerd.Runc.V1;
using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Containers;

/// <summary>Containers' processes on disk: a directory each, in the container's own or where the request says.</summary>
internal sealed partial class ContainerCheckpoints(EngineServices services)
{
    /// <summary>Writes a running container's processes to disk.</summary>
    /// <param name="container">Which.</param>
    /// <param name="name">The checkpoint's name.</param>
    /// <param name="root">Where checkpoints are kept; null for the container's own directory.</param>
    /// <param name="exit">Whether the container then ends.</param>
    /// <param name="cancellation">The caller waits no longer.</param>
    public async Task Create(Container container, string name, string? root, bool exit, CancellationToken cancellation)
    {
        if (container.Task is not { } task || container.Status.Phase is not (Phase.Running or Phase.Paused))
        {
            throw EngineException.Conflict($"Container {container.Name} not running");
        }

        if (container.Record.Config.Tty == true)
        {
            throw EngineException.InvalidParameter("checkpoint not support on containers with tty");
        }

        CheckName(name);
        var directory = PathOf(container, name, root);
        if (Directory.Exists(directory))
        {
            throw EngineException.Conflict(
                $"cannot checkpoint container {container.Name}: checkpoint with name {name} already exists for container {container.Name}");
        }

        // Complete under its name or not at all.
        var partial = directory + ".partial";
        Trees.Delete(partial);
        Directory.CreateDirectory(partial);
        try
        {
            if (exit)
            {
                task.StopRequested = true;
            }

            var options = new CheckpointOptions { Exit = exit, ImagePath = partial, WorkPath = Path.Combine(services.Options.BundlesDirectory, container.Id) };
            await task.Shim.Tasks.CheckpointAsync(
                new CheckpointTaskRequest
                {
                    Id = container.Id,
                    Path = partial,
                    Options = new Any { TypeUrl = CheckpointOptions.Descriptor.FullName, Value = options.ToByteString() },
                },
                cancellation).ConfigureAwait(false);
            Directory.Move(partial, directory);
        }
        catch (Exception e) when (e is TtrpcException or IOException)
        {
            task.StopRequested &= !exit;
            Trees.Delete(partial);
            throw EngineException.System($"Cannot checkpoint container {container.Name}: {e.Message}", e);
        }

        services.Tell(container, "checkpoint", ("checkpoint", name));
    }

    public IReadOnlyList<string> List(Container container, string? root)
    {
        var directory = PathOf(container, "", root);
        return !Directory.Exists(directory) ? [] :
        [
            .. Directory.EnumerateDirectories(directory).Select(d => Path.GetFileName(d)!).Where(n => !n.EndsWith(".partial", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];
    }

    public void Remove(Container container, string name, string? root) => Trees.Delete(Find(container, name, root));

    /// <summary>A checkpoint's directory.</summary>
    /// <exception cref="EngineException">NotFound, or InvalidParameter for what can be no name.</exception>
    public string Find(Container container, string name, string? root)
    {
        CheckName(name);
        var directory = PathOf(container, name, root);
        return Directory.Exists(directory) ? directory : throw EngineException.NotFound($"checkpoint {name} does not exist for container {container.Name}");
    }

    private static void CheckName(string name)
    {
        if (!ValidName().IsMatch(name))
        {
            throw EngineException.InvalidParameter($"Invalid checkpoint ID ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        }
    }

    private string PathOf(Container container, string name, string? root)
    {
        if (root is { Length: > 0 } && root[0] != '/')
        {
            throw EngineException.InvalidParameter($"the checkpoint directory '{root}' needs to be an absolute path");
        }

        return Path.Combine(
            string.IsNullOrEmpty(root)
                ? Path.Combine(services.Options.ContainersDirectory, container.Id, "checkpoints")
                : Path.Combine(root, container.Id, "checkpoints"),
            name);
    }

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex ValidName();
}
