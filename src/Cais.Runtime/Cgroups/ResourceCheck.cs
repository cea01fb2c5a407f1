using Cais.Oci.Runtime;

namespace Cais.Runtime.Cgroups;

/// <summary>Refuses resources that say nothing or contradict themselves, whatever the version of cgroups.</summary>
internal static class ResourceCheck
{
    public static void Validate(LinuxResources? resources)
    {
        foreach (var device in resources?.BlockIO?.WeightDevice ?? [])
        {
            if (device is { Weight: null, LeafWeight: null })
            {
                throw Invalid($"blockIO.weightDevice {device.Major}:{device.Minor} has neither weight nor leafWeight");
            }
        }

        foreach (var (name, limit) in resources?.Rdma ?? new Dictionary<string, RdmaLimit>())
        {
            if (limit is { HcaHandles: null, HcaObjects: null })
            {
                throw Invalid($"rdma {name} has neither hcaHandles nor hcaObjects");
            }
        }

        if (resources?.Cpu is { Burst: { } burst, Quota: { } quota and > 0 } && burst > (ulong)quota)
        {
            throw Invalid($"cpu.burst {burst} is above cpu.quota {quota}");
        }

        if (resources?.Memory?.Swappiness > 100)
        {
            throw Invalid($"memory.swappiness {resources.Memory.Swappiness} is not within 0 and 100");
        }
    }

    private static RuntimeException Invalid(string message) => new(RuntimeError.InvalidConfig, message);
}
