using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime.Cgroups;

/// <summary>
/// A container without a cgroup of its own: one that asked for none, an ordinary user's, where nobody gave that user one, or what is left of one
/// whose creator died before it had any. Its processes stay where their parent is; only its first process is known.
/// </summary>
internal sealed class NoCgroup(bool unified) : ContainerCgroup
{
    public override IReadOnlyList<string> Paths => [];

    public override CgroupMountSource MountSource => new(unified, [], null);

    public override bool IsFrozen => false;

    /// <summary>Whether the configuration can do without: limits that nobody enforces are an error. Device rules protect nothing that an ordinary user could reach.</summary>
    public static bool Suffices(LinuxResources? resources) =>
        resources is null or { Memory: null, Cpu: null, Pids: null or { Limit: null or <= 0 }, BlockIO: null, Network: null }
        and { HugepageLimits: null or { Count: 0 }, Rdma: null or { Count: 0 }, Unified: null or { Count: 0 } };

    /// <summary>The kernel's refusals that mean: not this user.</summary>
    public static bool IsRefusal(LinuxException e) =>
        UserIds.Effective != 0 && e.Errno is Errno.EACCES or Errno.EPERM or Errno.EROFS or Errno.ENOENT;

    public override void Create()
    {
    }

    public override void Apply(LinuxResources? resources, bool update)
    {
        if (!Suffices(resources))
        {
            throw None("change its limits");
        }
    }

    public override CgroupEntrance OpenEntrance(string? below = null) => below is null ? new CgroupEntrance() : throw None($"enter {below}");

    public override void SetFrozen(bool frozen) => throw None(frozen ? "pause it" : "resume it");

    public override void SignalAll(int signal)
    {
    }

    public override IReadOnlyList<int> Pids() => [];

    public override ContainerStats Stats() => new();

    public override OomWatch? WatchOom() => null;

    public override void Delete()
    {
    }

    private static RuntimeException None(string what) =>
        new(RuntimeError.WrongState, $"the container has no cgroup (it asked for none, or its user could not make one): cannot {what}");
}
