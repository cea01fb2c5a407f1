namespace Cais.Engine.Containers;

/// <summary>Takes a container out of the world. The row goes last but for the directory: a crash before it leaves a container that can be removed again.</summary>
internal sealed class ContainerRemover(EngineServices services)
{
    /// <summary>Removes a container that does not run; its gate is held.</summary>
    /// <param name="container">What to remove.</param>
    /// <param name="volumes">Also the volumes that were made for it without a name.</param>
    public async Task RemoveHeld(Container container, bool volumes)
    {
        var record = container.Record;
        if (container.Status.Phase == Phase.Removing)
        {
            throw EngineException.Conflict($"removal of container {record.Id} is already in progress");
        }

        container.Status = container.Status with { Phase = Phase.Removing };
        try
        {
            for (var i = 0; i < record.Mounts.Count; i++)
            {
                if (record.Mounts[i].Type == "image")
                {
                    await services.Images.Snapshots.RemoveAsync(HostMounts.SnapshotOf(record.Id, i)).ConfigureAwait(false);
                }
            }

            await services.Images.Snapshots.RemoveAsync(record.Id).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or Images.ImageException or UnauthorizedAccessException)
        {
            services.Containers.Update(container, container.Status with { Phase = Phase.Dead, Error = e.Message });
            throw EngineException.System($"container {record.Id}: driver \"overlay\" failed to remove root filesystem: {e.Message}", e);
        }

        services.Containers.Remove(container);
        services.Volumes.Release(record.Id);
        Trees.Delete(Path.Combine(services.Options.ContainersDirectory, record.Id));
        if (volumes)
        {
            foreach (var mount in record.Mounts.Where(m => m is { Anonymous: true, Name: not null }))
            {
                try
                {
                    await services.Volumes.Remove(mount.Name!, force: true).ConfigureAwait(false);
                }
                catch (EngineException e) when (e.Kind == ErrorKind.Conflict)
                {
                    // Another container uses it too (--volumes-from).
                }
            }
        }

        services.Tell(container, "destroy");
        container.SignalRemoved();
    }
}
