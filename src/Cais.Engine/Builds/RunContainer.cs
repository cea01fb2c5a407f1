using System.Globalization;
using Cais.Api;
using Cais.Build.Language;
using Cais.Build.Solving;
using Cais.Engine.Containers;
using Cais.Engine.Specs;
using Cais.Oci.Runtime;

namespace Cais.Engine.Builds;

/// <summary>A build's command as a container: its configuration, and the runtime specification made of that.</summary>
internal static class RunContainer
{
    /// <summary>What BuildKit calls its containers: the name must be the same each time, since programs write it into files.</summary>
    private const string DefaultHostname = "buildkitsandbox";

    public static ContainerRecord RecordOf(RunRequest request, string id)
    {
        var limits = request.Surroundings;
        var network = request.Network switch
        {
            RunNetwork.None => "none",
            RunNetwork.Host => "host",
            _ => limits.NetworkName is null or "default" ? "bridge" : limits.NetworkName,
        };
        var isOwn = network is not ("none" or "host") && Namespaces.ContainerOf(network) is null;
        return new ContainerRecord
        {
            Id = id,
            Name = request.Id,
            Created = DateTimeOffset.UnixEpoch,
            ImageId = "",
            Config = new ContainerConfig
            {
                Hostname = string.IsNullOrEmpty(limits.Hostname) ? DefaultHostname : limits.Hostname,
                Env = request.Environment,
                User = request.User,
                WorkingDir = request.WorkingDirectory,
                Entrypoint = request.Arguments,
            },
            HostConfig = new HostConfig
            {
                NetworkMode = network,
                IpcMode = "private",
                Privileged = request.IsInsecure,

                // Whoever may ask for all rights gets them over this machine, as a privileged container does.
                UsernsMode = request.IsInsecure ? "host" : "",
                ShmSize = limits.SharedMemory,
                Memory = limits.Memory,
                MemorySwap = limits.MemoryAndSwap,
                CpuShares = limits.CpuShares,
                CpuPeriod = limits.CpuPeriod,
                CpuQuota = limits.CpuQuota,
                CpusetCpus = limits.CpuSet,
                CpusetMems = limits.MemoryNodes,
                CgroupParent = limits.CgroupParent,
                ExtraHosts = limits.ExtraHosts,
                Ulimits = [.. limits.Ulimits.Select(UlimitOf)],
            },
            Networks = isOwn ? new Dictionary<string, EndpointSettings> { [network] = new() } : new Dictionary<string, EndpointSettings>(),
            Runtime = RuntimeChoice.BuiltIn,
            LogDriver = "none",
        };
    }

    public static Spec SpecOf(ContainerRecord record, RunRequest request, IEnumerable<Mount> mounts, SpecOptions options)
    {
        var spec = SpecGenerator.Generate(record, options);

        // A step's variables are all that it gets: HOSTNAME would be different from what the image's containers see.
        var environment = (spec.Process!.Env ?? []).Where(v => !v.StartsWith("HOSTNAME=", StringComparison.Ordinal) || request.Environment.Contains(v));
        var added = mounts.ToList();
        var taken = added.Select(m => m.Destination).ToHashSet();
        return spec with
        {
            Process = spec.Process with { Env = [.. environment] },
            Mounts = [.. spec.Mounts!.Where(m => !taken.Contains(m.Destination)), .. added],
        };
    }

    /// <summary>Reads <c>name=soft[:hard]</c>.</summary>
    private static Ulimit UlimitOf(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var values = equals < 0 ? [] : text[(equals + 1)..].Split(':');
        return values.Length is 1 or 2
            && long.TryParse(values[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var soft)
            && long.TryParse(values[^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var hard)
            ? new Ulimit { Name = text[..equals], Soft = soft, Hard = hard }
            : throw EngineException.InvalidParameter($"invalid ulimit argument: {text}");
    }
}
