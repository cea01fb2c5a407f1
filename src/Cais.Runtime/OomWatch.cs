using System.Text;
using Cais.Linux;
using Cais.Runtime.Cgroups;

namespace Cais.Runtime;

/// <summary>Tells when the kernel's out-of-memory killer struck in a container.</summary>
public sealed class OomWatch : IDisposable
{
    private readonly FileDescriptor? _control;
    private readonly string _countFile;
    private ulong _seen;

    private OomWatch(FileDescriptor descriptor, FileDescriptor? control, string countFile)
    {
        Descriptor = descriptor;
        _control = control;
        _countFile = countFile;
        _seen = Count();
    }

    /// <summary>For an epoll loop: readable when something may have happened (v1 an eventfd, v2 an inotify); then ask <see cref="Check"/>.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>The eventfd is tied to memory.oom_control through cgroup.event_control, as cgroup v1 has it.</summary>
    internal static OomWatch ForV1(string memoryPath)
    {
        var control = Files.Open($"{memoryPath}/memory.oom_control", OpenFlags.ReadOnly);
        var descriptor = EventDescriptors.Event();
        Files.WriteValue($"{memoryPath}/cgroup.event_control", Encoding.ASCII.GetBytes($"{descriptor.Number} {control.Number}"));
        return new OomWatch(descriptor, control, $"{memoryPath}/memory.oom_control");
    }

    /// <summary>The kernel reports changes of memory.events as modifications of the file.</summary>
    internal static OomWatch ForV2(string path) =>
        new(EventDescriptors.WatchModification($"{path}/memory.events"), null, $"{path}/memory.events");

    /// <summary>Drains the notification; true if a process was killed since the last call.</summary>
    public bool Check()
    {
        Span<byte> buffer = stackalloc byte[512];
        try
        {
            Files.Read(Descriptor, buffer);
        }
        catch (LinuxException e) when (e.Errno == Errno.EAGAIN)
        {
        }

        var now = Count();
        var killed = now > _seen;
        _seen = now;
        return killed;
    }

    private ulong Count()
    {
        try
        {
            return CgroupV1Stats.Pairs(Encoding.UTF8.GetString(Files.ReadAll(_countFile))).GetValueOrDefault("oom_kill");
        }
        catch (LinuxException)
        {
            // The cgroup is gone, and its counter with it.
            return _seen;
        }
    }

    public void Dispose()
    {
        Descriptor.Dispose();
        _control?.Dispose();
    }
}
