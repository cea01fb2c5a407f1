using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Namespaces by path, user namespaces, terminals, and what is left after failures.</summary>
[Trait("Tier", "integration")]
public sealed class LifecycleTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    [Fact]
    public void A_hook_that_fails_stops_the_creation_and_is_quoted()
    {
        var spec = _bundle.Spec("true") with
        {
            Hooks = new Oci.Runtime.Hooks { CreateRuntime = [new Hook { Path = "/bin/sh", Args = ["sh", "-c", "echo no luck >&2; exit 9"] }] },
        };
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(spec));
        Assert.Equal("createRuntime hook /bin/sh failed with exit status 9: no luck", error.Message);
        Assert.Empty(_bundle.Runtime.List());
    }

    [Fact]
    [Sentence("config-linux.md", "namespace-path-joined")]
    public void Namespaces_are_joined_by_path()
    {
        var path = Path.Combine(_bundle.Directory, "netns");
        Namespaces.CreateNetwork(path);
        try
        {
            using var first = _bundle.Create(_bundle.Spec("sleep", "1000").With(linux => linux with
            {
                Namespaces = [.. linux.Namespaces!.Where(n => n.Type != "network"), new LinuxNamespace { Type = "network", Path = path }],
            }));
            first.Start();
            using var second = new TestBundle();
            var text = second.Shell("readlink /proc/self/ns/net; ps; hostname", spec => spec.With(linux => linux with
            {
                Namespaces =
                [
                    new LinuxNamespace { Type = "mount" }, new LinuxNamespace { Type = "cgroup" },
                    new LinuxNamespace { Type = "pid", Path = $"/proc/{first.Pid}/ns/pid" },
                    new LinuxNamespace { Type = "uts", Path = $"/proc/{first.Pid}/ns/uts" },
                    new LinuxNamespace { Type = "ipc", Path = $"/proc/{first.Pid}/ns/ipc" },
                    new LinuxNamespace { Type = "network", Path = $"/proc/{first.Pid}/ns/net" },
                ],
            }));
            Assert.StartsWith(new FileInfo($"/proc/{first.Pid}/ns/net").LinkTarget!, text, StringComparison.Ordinal);
            Assert.Contains("sleep 1000", text, StringComparison.Ordinal);
            Assert.EndsWith("harbour", text, StringComparison.Ordinal);

            // The thread that forked is back in its own pid namespace.
            Assert.Equal(new FileInfo("/proc/self/ns/pid").LinkTarget, new FileInfo("/proc/self/ns/pid_for_children").LinkTarget);
        }
        finally
        {
            Namespaces.RemoveNetwork(path);
        }
    }

    [Fact]
    [Sentence("config-linux.md", "namespace-path-kind")]
    public void A_path_of_the_wrong_kind_is_refused()
    {
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").With(linux => linux with
        {
            Namespaces = [new LinuxNamespace { Type = "mount" }, new LinuxNamespace { Type = "uts" }, new LinuxNamespace { Type = "network", Path = "/proc/self/ns/uts" }],
        })));
        Assert.Equal("/proc/self/ns/uts is not a network namespace", error.Message);
    }

    [Fact]
    public void Root_of_a_user_namespace_is_an_ordinary_user_outside()
    {
        _bundle.MapRootfs(100_000);
        var volume = Path.Combine(_bundle.Directory, "volume");
        Directory.CreateDirectory(volume);
        File.SetUnixFileMode(volume, (UnixFileMode)0x1ff);
        var text = _bundle.Shell(
            "id -u; cat /proc/self/uid_map; touch /v/made; echo x > /dev/null; stat -c %u /v; hostname",
            spec => TestSpec.WithUserNamespace(spec).WithMount(new Mount { Source = volume, Destination = "/v", Type = "bind", Options = ["rbind"] }));
        Assert.StartsWith("0\n", text, StringComparison.Ordinal);
        Assert.Contains("100000      65536", text, StringComparison.Ordinal);
        Assert.EndsWith("65534\nharbour", text, StringComparison.Ordinal);
        using var made = Files.Open(Path.Combine(volume, "made"), OpenFlags.ReadOnly);
        Assert.Equal(100_000u, Files.Status(made.Number).Uid);
    }

    [Fact]
    public void A_time_namespace_is_joined_by_path_and_by_exec()
    {
        using var first = _bundle.Create(_bundle.Spec("sleep", "1000").With(linux => linux with
        {
            Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "time" }],
            TimeOffsets = new TimeOffsets { Monotonic = new TimeOffset { Secs = 7, Nanosecs = 5 }, Boottime = new TimeOffset { Secs = 1_000_000_000 } },
        }));
        first.Start();
        Assert.Equal(1, int.Parse(TestBundle.Exec(first, "sh", "-c", "echo $(($(cut -d. -f1 /proc/uptime) > 1000000000))").Output, System.Globalization.CultureInfo.InvariantCulture));
        using var second = new TestBundle();
        var text = second.Shell("readlink /proc/self/ns/time; cat /proc/self/timens_offsets; echo $$", spec => spec.With(linux => linux with
        {
            Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "time", Path = $"/proc/{first.Pid}/ns/time" }],
        }));
        Assert.StartsWith(new FileInfo($"/proc/{first.Pid}/ns/time").LinkTarget!, text, StringComparison.Ordinal);
        Assert.Contains("monotonic           7         5", text, StringComparison.Ordinal);
        Assert.EndsWith("\n1", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_time_namespace_belongs_to_a_new_user_namespace()
    {
        _bundle.MapRootfs(100_000);
        var text = _bundle.Shell("echo $$; cat /proc/self/timens_offsets", spec => TestSpec.WithUserNamespace(spec).With(linux => linux with
        {
            Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "time" }],
            TimeOffsets = new TimeOffsets { Monotonic = new TimeOffset { Secs = 77 } },
        }));
        Assert.StartsWith("1\nmonotonic          77", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_user_namespace_is_joined_by_path_with_others_made_inside_it()
    {
        _bundle.MapRootfs(100_000);
        using var first = _bundle.Create(TestSpec.WithUserNamespace(_bundle.Spec("sleep", "1000")));
        first.Start();
        using var second = new TestBundle();
        second.MapRootfs(100_000);
        var text = second.Shell("readlink /proc/self/ns/user; cat /proc/self/uid_map; id -u; echo $$; hostname other; hostname", spec => spec.With(linux => linux with
        {
            Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "user", Path = $"/proc/{first.Pid}/ns/user" }],
        }).With(process => process with { Capabilities = new Capabilities { Bounding = ["CAP_SYS_ADMIN"], Permitted = ["CAP_SYS_ADMIN"], Effective = ["CAP_SYS_ADMIN"] } }));
        Assert.StartsWith(new FileInfo($"/proc/{first.Pid}/ns/user").LinkTarget!, text, StringComparison.Ordinal);
        Assert.Contains("100000      65536", text, StringComparison.Ordinal);
        Assert.EndsWith("\n0\n1\nother", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_time_namespace_has_its_own_clock()
    {
        var uptime = _bundle.Shell("cat /proc/uptime", spec => spec.With(linux => linux with
        {
            Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "time" }],
            TimeOffsets = new TimeOffsets { Boottime = new TimeOffset { Secs = 1_000_000_000 } },
        }));
        Assert.True(double.Parse(uptime.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture) > 1_000_000_000);
    }

    [Fact]
    [Sentence("config-linux.md", "console")]
    public void A_terminal_works_and_is_the_containers_console()
    {
        var spec = _bundle.Spec("sh", "-c", "tty; stty size; echo hello > /dev/console; exit 5")
            .With(process => process with { Terminal = true, ConsoleSize = new ConsoleSize { Height = 12, Width = 34 } });
        using var container = _bundle.Create(spec);
        container.Start();
        Assert.Equal("/dev/console\r\n12 34\r\nhello\r\n", Terminals.ReadAll(container.Console!).Replace("/dev/pts/0", "/dev/console", StringComparison.Ordinal));
        Assert.Equal(5, Pidfd.Wait(container.PidFd!).Code);
    }

    [Fact]
    [Sentence("config.md", "root-exists")]
    [Sentence("runtime.md", "environment-error")]
    public void A_root_directory_that_is_missing_is_told()
    {
        var spec = _bundle.Spec("true") with { Root = new Root { Path = "nonesuch" } };
        Assert.Equal(
            $"open root {_bundle.Directory}/nonesuch: no such file or directory",
            Assert.Throws<RuntimeException>(() => _bundle.Create(spec)).Message);
    }

    [Fact]
    public void Pid_file_and_preserved_state_are_written()
    {
        var path = Path.Combine(_bundle.Directory, "pid");
        using var container = _bundle.Create(_bundle.Spec("true"), change: request => request with { PidFile = path });
        Assert.Equal(container.Pid.ToString(System.Globalization.CultureInfo.InvariantCulture), File.ReadAllText(path));
    }

    [Fact]
    public void What_a_creator_that_died_leaves_behind_can_be_deleted()
    {
        // As after a kill -9 between the state file and the fork: cgroups are there, no process is.
        using (var container = _bundle.Create(_bundle.Spec("sleep", "100")))
        {
            var path = Path.Combine(_bundle.Runtime.StateRoot, _bundle.Id, "state.json");
            File.WriteAllText(path, System.Text.RegularExpressions.Regex.Replace(
                System.Text.RegularExpressions.Regex.Replace(File.ReadAllText(path), "\"initProcessPid\":\\d+", "\"initProcessPid\":0"),
                "\"creatorStart\":\\d+", "\"creatorStart\":1"));
            using var remains = _bundle.Runtime.Load(_bundle.Id);
            Assert.Equal(ContainerStatus.Stopped, remains.Status);
            remains.Delete();
            Assert.True(Pidfd.WaitForEnd(container.PidFd!, 10_000), "the process that waited for its start was killed too");
            Pidfd.Wait(container.PidFd!);
        }

        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/cais-rt-tests/{_bundle.Id}"));
    }
}
