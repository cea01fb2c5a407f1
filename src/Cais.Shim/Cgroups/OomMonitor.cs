using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Shim.Cgroups;

/// <summary>Tells when the kernel has killed a process of a cgroup for want of memory.</summary>
internal sealed class OomMonitor : IDisposable
{
    private readonly ProcessCgroup _cgroup;
    private readonly FileDescriptor _events;
    private readonly FileDescriptor? _control;
    private readonly IoWatch _watch;
    private readonly Action _onOom;
    private readonly EventLoop _loop;
    private ulong _seen;
    private bool _disposed;

    private OomMonitor(EventLoop loop, ProcessCgroup cgroup, FileDescriptor events, FileDescriptor? control, Action onOom)
    {
        _loop = loop;
        _cgroup = cgroup;
        _events = events;
        _control = control;
        _onOom = onOom;
        _seen = Count();
        _watch = loop.Watch(events, control is null ? IoInterest.Priority : IoInterest.Read, _ => Notice());
    }

    /// <summary>Kills so far, also the ones before this watch.</summary>
    public ulong Kills => Math.Max(_seen, Count());

    /// <summary>Null where the cgroup has no memory controller.</summary>
    public static OomMonitor? Start(EventLoop loop, ProcessCgroup cgroup, Action onOom)
    {
        FileDescriptor? events = null, control = null;
        try
        {
            if (cgroup.Unified is { } unified)
            {
                events = Files.Open(Path.Combine(unified, "memory.events"), OpenFlags.ReadOnly | OpenFlags.CloseOnExec);
                return new OomMonitor(loop, cgroup, events, null, onOom);
            }

            if (cgroup["memory"] is not { } memory)
            {
                return null;
            }

            // v1 (memory.txt of the kernel's documentation, section 10): an eventfd, registered with the file to watch.
            control = Files.Open(Path.Combine(memory, "memory.oom_control"), OpenFlags.ReadOnly | OpenFlags.CloseOnExec);
            events = Descriptors.CreateEvent();
            var registration = string.Create(CultureInfo.InvariantCulture, $"{events.Number} {control.Number}");
            Files.WriteValue(Path.Combine(memory, "cgroup.event_control"), Encoding.ASCII.GetBytes(registration));
            return new OomMonitor(loop, cgroup, events, control, onOom);
        }
        catch (LinuxException)
        {
            events?.Dispose();
            control?.Dispose();
            return null;
        }
    }

    /// <summary>Looks now: called too when a process was killed, whose exit may be seen before the kernel's notification.</summary>
    public void Check()
    {
        if (_control is not null)
        {
            Span<byte> counter = stackalloc byte[8];
            _ = Descriptors.TryRead(_events, counter);
        }
        else
        {
            Descriptors.Rewind(_events);
            Span<byte> content = stackalloc byte[512];
            _ = Descriptors.TryRead(_events, content);
        }

        var count = Count();
        if (count > _seen)
        {
            _seen = count;
            _onOom();
        }
        else if (count < _seen)
        {
            // The cgroup is gone; its descriptor would be ready for ever.
            _watch.Interest = IoInterest.None;
        }
    }

    /// <summary>v1 tells that memory has run out before it kills for it: the count may take a moment.</summary>
    private void Notice(int attempts = 100)
    {
        var before = _seen;
        Check();
        if (_control is not null && _seen == before && attempts > 0)
        {
            _loop.Schedule(TimeSpan.FromMilliseconds(10), () =>
            {
                if (!_disposed)
                {
                    Notice(attempts - 1);
                }
            });
        }
    }

    public void Dispose()
    {
        _disposed = true;
        _watch.Dispose();
        _events.Dispose();
        _control?.Dispose();
    }

    private ulong Count() => _cgroup.Unified is { } unified
        ? CgroupFile.Table(unified, "memory.events").GetValueOrDefault("oom_kill")
        : CgroupFile.Table(_cgroup["memory"], "memory.oom_control").GetValueOrDefault("oom_kill");
}
