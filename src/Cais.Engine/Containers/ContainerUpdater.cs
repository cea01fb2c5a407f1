using Cais.Api;
using Cais.Engine.Specs;
using Cais.Oci;
using Cais.Oci.Runtime;
using Cais.Ttrpc;
using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Containers;

/// <summary>Changes limits and restart policy of a container that exists, running or not, and its name.</summary>
internal sealed class ContainerUpdater(EngineServices services)
{
    private const string ResourcesType = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

    public async Task<IReadOnlyList<string>> Update(Container container, ContainerUpdateRequest change)
    {
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        if (container.Status.Phase is Phase.Removing or Phase.Dead)
        {
            throw EngineException.Conflict($"Cannot update container {container.Id}: Container is marked for removal and cannot be \"update\".");
        }

        var before = container.Record.HostConfig;
        var after = before with
        {
            CpuShares = Or(change.CpuShares, before.CpuShares),
            Memory = Or(change.Memory, before.Memory),
            MemoryReservation = Or(change.MemoryReservation, before.MemoryReservation),
            MemorySwap = change.MemorySwap is { } swap and not 0 ? swap : before.MemorySwap,
            NanoCpus = Or(change.NanoCpus, before.NanoCpus),
            CpuPeriod = Or(change.CpuPeriod, before.CpuPeriod),
            CpuQuota = Or(change.CpuQuota, before.CpuQuota),
            CpuRealtimePeriod = Or(change.CpuRealtimePeriod, before.CpuRealtimePeriod),
            CpuRealtimeRuntime = Or(change.CpuRealtimeRuntime, before.CpuRealtimeRuntime),
            CpusetCpus = string.IsNullOrEmpty(change.CpusetCpus) ? before.CpusetCpus : change.CpusetCpus,
            CpusetMems = string.IsNullOrEmpty(change.CpusetMems) ? before.CpusetMems : change.CpusetMems,
            BlkioWeight = Or(change.BlkioWeight, before.BlkioWeight),
            BlkioWeightDevice = change.BlkioWeightDevice ?? before.BlkioWeightDevice,
            BlkioDeviceReadBps = change.BlkioDeviceReadBps ?? before.BlkioDeviceReadBps,
            BlkioDeviceWriteBps = change.BlkioDeviceWriteBps ?? before.BlkioDeviceWriteBps,
            BlkioDeviceReadIOps = change.BlkioDeviceReadIOps ?? before.BlkioDeviceReadIOps,
            BlkioDeviceWriteIOps = change.BlkioDeviceWriteIOps ?? before.BlkioDeviceWriteIOps,
            PidsLimit = change.PidsLimit ?? before.PidsLimit,
            RestartPolicy = string.IsNullOrEmpty(change.RestartPolicy?.Name) ? before.RestartPolicy : change.RestartPolicy,
        };
        if (before.NanoCpus > 0 && (change.CpuPeriod > 0 || change.CpuQuota > 0))
        {
            throw EngineException.Conflict("Conflicting options: CPU Period or Quota cannot be updated as NanoCPUs has already been set");
        }

        // A limit raised above what memory and swap were together would be refused by the kernel.
        if (change.Memory > 0 && change.MemorySwap is null or 0 && before.MemorySwap > 0 && change.Memory > before.MemorySwap)
        {
            throw EngineException.Conflict("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
        }

        if (before.AutoRemove == true && after.RestartPolicy?.Name is not (null or "" or "no"))
        {
            throw EngineException.Conflict($"Cannot update container {container.Id}: Restart policy cannot be updated because AutoRemove is enabled for the container");
        }

        HostConfigRules.Resources(after, services.Host);
        HostConfigRules.Restart(after);
        if (container.Task is { } task && container.Status.HasProcess)
        {
            var resources = ResourceLimits.Of(after);
            try
            {
                await task.Shim.Tasks.UpdateAsync(new UpdateTaskRequest
                {
                    Id = container.Id,
                    Resources = new Any
                    {
                        TypeUrl = ResourcesType,
                        Value = ByteString.CopyFrom(PlainJson.Bytes(resources, SpecJson.Default.LinuxResources)),
                    },
                }).ConfigureAwait(false);
            }
            catch (TtrpcException e)
            {
                throw EngineException.System($"Cannot update container {container.Id}: {e.Message}", e);
            }
        }

        services.Containers.Update(container, container.Record with { HostConfig = after });
        services.Tell(container, "update");
        return [];
    }

    public async Task Rename(Container container, string name)
    {
        name = name.TrimStart('/');
        if (name.Length == 0)
        {
            throw EngineException.InvalidParameter("Neither old nor new names may be empty");
        }

        using var held = await container.Gate.Enter().ConfigureAwait(false);
        var old = container.Name;
        if (old == name)
        {
            throw EngineException.InvalidParameter("Renaming a container with the same name as its current name");
        }

        try
        {
            ConfigRules.CheckName(name);
            services.Containers.Reserve(name, container.Id);
        }
        catch (EngineException e)
        {
            throw new EngineException(e.Kind, "Error when allocating new name: " + e.Message, e);
        }

        try
        {
            services.Containers.Update(container, container.Record with { Name = name });
        }
        catch
        {
            services.Containers.Release(name, container.Id);
            throw;
        }

        services.Containers.Release(old, container.Id);
        if (container.Status.HasProcess)
        {
            await services.Networks.RenameAsync(container.Id, name).ConfigureAwait(false);
        }

        services.Tell(container, "rename", ("oldName", "/" + old));
    }

    private static long? Or(long? changed, long? before) => changed is { } value and not 0 ? value : before;
}
