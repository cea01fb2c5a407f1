using Cais.Linux;
using Cais.Linux.Io;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Systemd;

/// <summary>Where a container's cgroup is to be, by cgroupsPath in its systemd form: <c>slice:prefix:name</c>.</summary>
internal sealed record SystemdScope(string Slice, string Unit)
{
    private const string Manager = "org.freedesktop.systemd1.Manager";
    private const string Service = "org.freedesktop.systemd1";
    private const string Root = "/org/freedesktop/systemd1";

    public static SystemdScope Parse(string? cgroupsPath, string id)
    {
        if (string.IsNullOrEmpty(cgroupsPath))
        {
            return new SystemdScope(DefaultSlice, $"cais-{id}.scope");
        }

        if (cgroupsPath.Split(':') is not [var slice, var prefix, { Length: > 0 } name] || cgroupsPath.Contains('/', StringComparison.Ordinal))
        {
            throw new RuntimeException(
                RuntimeError.InvalidConfig, $"expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"{cgroupsPath}\" instead");
        }

        slice = slice.Length == 0 ? DefaultSlice : slice;
        if (!slice.EndsWith(".slice", StringComparison.Ordinal))
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"\"{slice}\" in cgroupsPath is no slice: its name must end in .slice");
        }

        return new SystemdScope(slice, name.EndsWith(".slice", StringComparison.Ordinal) ? name : $"{(prefix.Length > 0 ? prefix + "-" : "")}{name}.scope");
    }

    private static string DefaultSlice => UserIds.Effective == 0 ? "system.slice" : "user.slice";

    /// <summary>
    /// Makes the unit and returns its cgroup's path below each hierarchy. A scope begins with a process in it: one that waits, which
    /// <paramref name="release"/> ends once the container's own is there.
    /// </summary>
    public string Start(string id, LinuxResources? resources, bool unified, out IDisposable release)
    {
        using var bus = BusConnection.Open();
        var placeholder = new Placeholder();
        release = placeholder;
        try
        {
            bus.Call(Service, Root, Manager, "Subscribe");
            TryMatchSignals(bus);
            string job;
            try
            {
                job = Create(bus, id, resources, unified, placeholder.Pid);
            }
            catch (BusException e) when (e.Name == "org.freedesktop.systemd1.UnitExists")
            {
                // What failed under this name before is in the way until it is forgotten.
                bus.Call(Service, Root, Manager, "ResetFailedUnit", "s", b => b.String(Unit));
                job = Create(bus, id, resources, unified, placeholder.Pid);
            }

            AwaitJob(bus, job);
            return ControlGroup(bus);
        }
        catch (BusException e)
        {
            placeholder.Dispose();
            throw new RuntimeException(RuntimeError.Failed, $"systemd does not make the unit {Unit} in {Slice}: {e.Message}", e);
        }
        catch
        {
            placeholder.Dispose();
            throw;
        }
    }

    /// <summary>Other limits for a unit that exists.</summary>
    public static void Update(string unit, LinuxResources resources, bool unified)
    {
        var properties = SystemdProperties.Of(resources, unified);
        if (properties.Count == 0)
        {
            return;
        }

        using var bus = BusConnection.Open();
        try
        {
            bus.Call(Service, Root, Manager, "SetUnitProperties", "sba(sv)", b => Write(b.String(unit).Bool(true), properties));
        }
        catch (BusException e)
        {
            throw new RuntimeException(RuntimeError.Failed, $"systemd does not change the unit {unit}: {e.Message}", e);
        }
    }

    /// <summary>Ends a unit; one that is gone already is fine.</summary>
    public static void Stop(string unit)
    {
        using var bus = BusConnection.Open();
        foreach (var (method, signature) in (ReadOnlySpan<(string, string)>)[("StopUnit", "ss"), ("ResetFailedUnit", "s")])
        {
            try
            {
                bus.Call(Service, Root, Manager, method, signature, b =>
                {
                    b.String(unit);
                    if (method == "StopUnit")
                    {
                        b.String("replace");
                    }
                });
            }
            catch (BusException)
            {
                // Not loaded: it ended with its last process.
            }
        }
    }

    private string Create(BusConnection bus, string id, LinuxResources? resources, bool unified, int pid)
    {
        var isSlice = Unit.EndsWith(".slice", StringComparison.Ordinal);
        List<(string Name, string Signature, Action<BusWriter> Value)> properties =
        [
            ("Description", "s", b => b.String($"container {id}")),
            isSlice ? ("Wants", "as", b => b.Array(4, a => a.String(Slice))) : ("Slice", "s", b => b.String(Slice)),
            ("DefaultDependencies", "b", b => b.Bool(false)),
            ("MemoryAccounting", "b", b => b.Bool(true)),
            ("CPUAccounting", "b", b => b.Bool(true)),
            (unified ? "IOAccounting" : "BlockIOAccounting", "b", b => b.Bool(true)),
            ("TasksAccounting", "b", b => b.Bool(true)),
        ];
        if (!isSlice)
        {
            properties.Add(("Delegate", "b", b => b.Bool(true)));
            properties.Add(("PIDs", "au", b => b.Array(4, a => a.UInt32((uint)pid))));
        }

        properties.AddRange(SystemdProperties.Of(resources, unified));
        var answer = bus.Call(
            Service, Root, Manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", b => Write(b.String(Unit).String("replace"), properties).Array(8, _ => { }));
        return new BusReader(answer.Body).String();
    }

    private static BusWriter Write(BusWriter writer, List<(string Name, string Signature, Action<BusWriter> Value)> properties) => writer.Array(8, array =>
    {
        foreach (var (name, signature, value) in properties)
        {
            value(array.Align(8).String(name).Signature(signature));
        }
    });

    /// <summary>On a bus signals must be asked for; on systemd's private socket there is nobody to ask.</summary>
    private static void TryMatchSignals(BusConnection bus)
    {
        try
        {
            bus.Call(
                "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s",
                b => b.String($"type='signal',interface='{Manager}',member='JobRemoved'"));
        }
        catch (BusException)
        {
            // systemd itself does not know the method.
        }
    }

    private void AwaitJob(BusConnection bus, string job)
    {
        while (true)
        {
            var signal = bus.NextSignal();
            if (signal is not { Member: "JobRemoved", Signature: "uoss" })
            {
                continue;
            }

            var reader = new BusReader(signal.Body);
            reader.UInt32();
            var which = reader.String();
            reader.String();
            var result = reader.String();
            if (which == job)
            {
                if (result != "done")
                {
                    throw new RuntimeException(RuntimeError.Failed, $"systemd ended the start of {Unit} with \"{result}\": see `systemctl status {Unit}`");
                }

                return;
            }
        }
    }

    private string ControlGroup(BusConnection bus)
    {
        var path = new BusReader(bus.Call(Service, Root, Manager, "GetUnit", "s", b => b.String(Unit)).Body).String();
        var kind = Unit.EndsWith(".slice", StringComparison.Ordinal) ? "Slice" : "Scope";
        var answer = bus.Call(
            Service, path, "org.freedesktop.DBus.Properties", "Get", "ss", b => b.String($"org.freedesktop.systemd1.{kind}").String("ControlGroup"));
        var reader = new BusReader(answer.Body);
        return reader.Signature() == "s" && reader.String() is ['/', _, ..] group
            ? group : throw new RuntimeException(RuntimeError.Failed, $"systemd names no cgroup for {Unit}");
    }

    /// <summary>A process that ends when it is told to, or when this one does.</summary>
    private sealed class Placeholder : IDisposable
    {
        private readonly FileDescriptor _writer;
        private readonly ChildProcess _process;
        private bool _ended;

        public Placeholder()
        {
            (var reader, _writer) = Files.Pipe();
            using (reader)
            {
                _process = ChildProcess.Start(new ChildCommand { Program = "/bin/sh", Arguments = ["-c", "read -r nothing"], Descriptors = [reader, null, null] });
            }
        }

        public int Pid => _process.Pid;

        public void Dispose()
        {
            if (_ended)
            {
                return;
            }

            _ended = true;
            _writer.Dispose();
            Pidfd.Signal(_process.PidFd, Signals.Kill);
            try
            {
                Pidfd.Wait(_process.PidFd);
            }
            catch (LinuxException e) when (e.Errno == Errno.ECHILD)
            {
                // A subreaper's loop took it.
            }

            _process.Dispose();
        }
    }
}
