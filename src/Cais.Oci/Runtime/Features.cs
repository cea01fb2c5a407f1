namespace Cais.Oci.Runtime;

/// <summary>What a runtime can do: the output of <c>features</c>; see features.md.</summary>
public sealed record Features
{
    public string OciVersionMin { get; init; } = "1.0.0";
    public string OciVersionMax { get; init; } = Spec.NewestVersion;
    public IReadOnlyList<string>? Hooks { get; init; }
    public IReadOnlyList<string>? MountOptions { get; init; }
    public LinuxFeatures? Linux { get; init; }
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }
    public IReadOnlyList<string>? PotentiallyUnsafeConfigAnnotations { get; init; }
}

public sealed record LinuxFeatures
{
    public IReadOnlyList<string>? Namespaces { get; init; }
    public IReadOnlyList<string>? Capabilities { get; init; }
    public CgroupFeatures? Cgroup { get; init; }
    public SeccompFeatures? Seccomp { get; init; }
    public EnabledFeature? Apparmor { get; init; }
    public EnabledFeature? Selinux { get; init; }
    public EnabledFeature? IntelRdt { get; init; }
    public MountExtensions? MountExtensions { get; init; }
    public EnabledFeature? NetDevices { get; init; }
}

public sealed record CgroupFeatures
{
    public bool V1 { get; init; }
    public bool V2 { get; init; }
    public bool Systemd { get; init; }
    public bool SystemdUser { get; init; }
    public bool Rdma { get; init; }
}

public sealed record SeccompFeatures
{
    public bool Enabled { get; init; }
    public IReadOnlyList<string>? Actions { get; init; }
    public IReadOnlyList<string>? Operators { get; init; }
    public IReadOnlyList<string>? Archs { get; init; }
    public IReadOnlyList<string>? KnownFlags { get; init; }
    public IReadOnlyList<string>? SupportedFlags { get; init; }
}

public sealed record EnabledFeature
{
    public bool Enabled { get; init; }
}

public sealed record MountExtensions
{
    public EnabledFeature? Idmap { get; init; }
}
