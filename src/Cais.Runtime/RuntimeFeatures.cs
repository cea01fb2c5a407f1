using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime;

/// <summary>What this runtime can do, on any kernel; features.md.</summary>
public static class RuntimeFeatures
{
    public static Features Describe()
    {
        var capabilities = new List<string>();
        for (var i = 0; i < CapabilityNames.Count; i++)
        {
            capabilities.Add(CapabilityNames.Name(i));
        }

        return new Features
        {
            Hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
            MountOptions = MountOptions.KnownWords(),
            Linux = new LinuxFeatures
            {
                Namespaces = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
                Capabilities = capabilities,
                Cgroup = new CgroupFeatures { V1 = true, V2 = true, Systemd = false, SystemdUser = false, Rdma = true },
                Seccomp = new SeccompFeatures
                {
                    Enabled = true,
                    Actions = SeccompCompiler.ActionNames,
                    Operators = SeccompCompiler.OperatorNames,
                    Archs = SeccompCompiler.ArchitectureNames,
                    KnownFlags = SeccompCompiler.KnownFlags,
                    SupportedFlags = SeccompCompiler.KnownFlags,
                },
                Apparmor = new EnabledFeature { Enabled = true },
                Selinux = new EnabledFeature { Enabled = true },
                IntelRdt = new EnabledFeature { Enabled = true },
                MountExtensions = new MountExtensions { Idmap = new EnabledFeature { Enabled = true } },
                NetDevices = new EnabledFeature { Enabled = true },
            },
            PotentiallyUnsafeConfigAnnotations = [],
        };
    }
}
