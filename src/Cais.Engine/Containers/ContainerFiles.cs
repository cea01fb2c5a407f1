using Cais.Images;
using Cais.Linux;

namespace Cais.Engine.Containers;

/// <summary>Copies into and out of containers, running or not, and what they changed of their images.</summary>
internal sealed class ContainerFiles(EngineServices services, ContainerStarter starter)
{
    /// <summary>What is at a path. A symbolic link at its end is looked at itself.</summary>
    /// <exception cref="EngineException">NotFound: <c>Could not find the file x in container y</c>.</exception>
    public async Task<PathStatus> Stat(Container container, string path)
    {
        var view = await OpenForReading(container).ConfigureAwait(false);
        await using var _ = view.ConfigureAwait(false);
        return Look(container, view, path);
    }

    /// <summary>Writes what is at a path as a tar archive. <paramref name="begin"/> learns what it is and gives where to write, once it is known to exist.</summary>
    public async Task Get(Container container, string path, Func<PathStatus, Task<Stream>> begin, CancellationToken cancellation)
    {
        var view = await OpenForReading(container).ConfigureAwait(false);
        await using var _ = view.ConfigureAwait(false);
        var status = Look(container, view, path);
        services.Tell(container, "archive-path");
        await RootfsArchive.GetAsync(view.Root, path, await begin(status).ConfigureAwait(false), view.Ids, cancellation).ConfigureAwait(false);
    }

    /// <summary>Unpacks a tar archive into the directory at a path.</summary>
    /// <param name="container">Where to.</param>
    /// <param name="path">A directory, or a link to one.</param>
    /// <param name="tar">The archive, compressed or not.</param>
    /// <param name="keepKinds">A directory does not take the place of something else nor the reverse.</param>
    /// <param name="asUser">Everything becomes the property of the container's user.</param>
    /// <param name="cancellation">Ends it half-way.</param>
    public async Task Put(Container container, string path, Stream tar, bool keepKinds, bool asUser, CancellationToken cancellation)
    {
        (uint, uint)? owner = null;
        if (asUser && !string.IsNullOrEmpty(container.Record.Config.User))
        {
            var user = starter.UserOf(container, null);
            owner = (user.Uid, user.Gid);
        }

        if (ContainerView.OfRunning(container) is { } running)
        {
            await using (running.ConfigureAwait(false))
            {
                await Put(container, running, path, tar, keepKinds, owner, cancellation).ConfigureAwait(false);
            }
        }
        else
        {
            using var held = await container.Gate.Enter(cancellation).ConfigureAwait(false);

            // It may have been started while we waited for the gate.
            var view = ContainerView.OfRunning(container)
                ?? await ContainerView.OfStopped(services, container.Record, Rootfs(container), writable: true).ConfigureAwait(false);
            await using (view.ConfigureAwait(false))
            {
                await Put(container, view, path, tar, keepKinds, owner, cancellation).ConfigureAwait(false);
            }
        }

        services.Tell(container, "extract-to-dir");
    }

    /// <summary>Writes the whole root file system, without what is mounted in it, as a tar archive.</summary>
    public async Task Export(Container container, Func<Task<Stream>> begin, CancellationToken cancellation)
    {
        CheckNotGoing(container, "export");
        using var files = Specs.RootFiles.Open(Rootfs(container));
        await RootfsArchive.ExportAsync(files.Root.ProcPath, await begin().ConfigureAwait(false), cancellation).ConfigureAwait(false);
        services.Tell(container, "export");
    }

    public IReadOnlyList<FileChange> Changes(Container container) => services.Images.Snapshots.Changes(container.Id);

    internal static void CheckNotGoing(Container container, string what)
    {
        switch (container.Status.Phase)
        {
            case Phase.Dead:
                throw EngineException.Conflict($"You cannot {what} container {container.Id} which is Dead");
            case Phase.Removing:
                throw EngineException.Conflict($"You cannot {what} container {container.Id} which is being removed");
        }
    }

    private static async Task Put(
        Container container, ContainerView view, string path, Stream tar, bool keepKinds, (uint Uid, uint Gid)? owner, CancellationToken cancellation)
    {
        try
        {
            await RootfsArchive.PutAsync(view.Root, path, tar, keepKinds, owner, view.Ids, cancellation).ConfigureAwait(false);
        }
        catch (ImageException e) when (e.Kind == ImageErrorKind.NotFound)
        {
            throw NotFound(container, path);
        }
        catch (Exception e) when (Cause(e) is { Errno: Errno.EROFS })
        {
            throw EngineException.InvalidParameter(container.Record.HostConfig.ReadonlyRootfs == true && !IsInMount(container, path)
                ? "container rootfs is marked read-only"
                : "mounted volume is marked read-only");
        }
    }

    private static PathStatus Look(Container container, ContainerView view, string path)
    {
        try
        {
            return RootfsArchive.Stat(view.Root, path);
        }
        catch (ImageException e) when (e.Kind == ImageErrorKind.NotFound)
        {
            throw NotFound(container, path);
        }
        catch (LinuxException e)
        {
            throw EngineException.System($"{path} in container {container.Name}: {e.Errno.Describe()}", e);
        }
    }

    private async Task<ContainerView> OpenForReading(Container container)
    {
        CheckNotGoing(container, "copy from");
        return ContainerView.OfRunning(container)
            ?? await ContainerView.OfStopped(services, container.Record, Rootfs(container), writable: false).ConfigureAwait(false);
    }

    private RootfsMount Rootfs(Container container) => services.Images.Snapshots.Find(container.Id)
        ?? throw EngineException.System($"the file system of container {container.Id} is gone: remove the container and create it again");

    private static bool IsInMount(Container container, string path)
    {
        var clean = MountParser.Clean(path);
        return container.Record.Mounts.Any(m => clean == m.Destination || clean.StartsWith(m.Destination + "/", StringComparison.Ordinal));
    }

    private static LinuxException? Cause(Exception e) => e as LinuxException ?? (e.InnerException is { } inner ? Cause(inner) : null);

    private static EngineException NotFound(Container container, string path) =>
        EngineException.NotFound($"Could not find the file {path} in container {container.Name}");
}
