using Cais.Oci.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary>The output of <c>features</c>; features.md.</summary>
internal static class FeaturesDocument
{
    public static byte[] Write(Features features)
    {
        var json = new JsonText(indented: true).BeginObject()
            .Add("ociVersionMin", features.OciVersionMin)
            .Add("ociVersionMax", features.OciVersionMax)
            .Add("hooks", features.Hooks)
            .Add("mountOptions", features.MountOptions);
        if (features.Linux is { } linux)
        {
            json.BeginObject("linux").Add("namespaces", linux.Namespaces).Add("capabilities", linux.Capabilities);
            if (linux.Cgroup is { } cgroup)
            {
                json.BeginObject("cgroup").Add("v1", cgroup.V1).Add("v2", cgroup.V2).Add("systemd", cgroup.Systemd)
                    .Add("systemdUser", cgroup.SystemdUser).Add("rdma", cgroup.Rdma).EndObject();
            }

            if (linux.Seccomp is { } seccomp)
            {
                json.BeginObject("seccomp").Add("enabled", seccomp.Enabled).Add("actions", seccomp.Actions)
                    .Add("operators", seccomp.Operators).Add("archs", seccomp.Archs).Add("knownFlags", seccomp.KnownFlags)
                    .Add("supportedFlags", seccomp.SupportedFlags).EndObject();
            }

            Enabled(json, "apparmor", linux.Apparmor);
            Enabled(json, "selinux", linux.Selinux);
            Enabled(json, "intelRdt", linux.IntelRdt);
            json.BeginObject("mountExtensions");
            Enabled(json, "idmap", linux.MountExtensions?.Idmap);
            json.EndObject();
            Enabled(json, "netDevices", linux.NetDevices);
            json.EndObject();
        }

        return json.Add("annotations", features.Annotations)
            .Add("potentiallyUnsafeConfigAnnotations", features.PotentiallyUnsafeConfigAnnotations)
            .EndObject().ToLine();
    }

    private static void Enabled(JsonText json, string name, EnabledFeature? feature)
    {
        if (feature is not null)
        {
            json.BeginObject(name).Add("enabled", feature.Enabled).EndObject();
        }
    }
}
