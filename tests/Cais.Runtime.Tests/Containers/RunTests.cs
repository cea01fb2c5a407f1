using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;
using Cais.Testing;

namespace Cais.Runtime.Tests.Containers;

/// <summary>What a program finds in its container, on the real kernel.</summary>
[Trait("Tier", "integration")]
public sealed class RunTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    [Fact]
    public void The_program_is_process_1_and_sees_no_other()
    {
        Assert.Equal("1", _bundle.Shell("echo $$"));
        Assert.Equal("1", _bundle.Shell("cd /proc; echo [0-9]*"));
    }

    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 7", 7)]
    [InlineData("kill -TERM $$; exit 3", 3)]
    public void The_exit_code_comes_back(string script, int expected) =>
        Assert.Equal(expected, _bundle.Run(_bundle.Spec("sh", "-c", script)).Status.ShellCode);

    [Fact]
    public void The_hostname_is_the_containers_own() => Assert.Equal("harbour", _bundle.Shell("hostname"));

    [Fact]
    public void The_network_has_only_a_loopback() =>
        Assert.Equal("lo", _bundle.Shell("ls /sys/class/net"));

    [Fact]
    [Sentence("config-linux.md", "default-devices")]
    [Sentence("runtime-linux.md", "dev-links")]
    public void Default_devices_and_links_exist_and_work()
    {
        var listing = _bundle.Shell("cd /dev; ls; for l in fd stdin stdout stderr ptmx; do readlink $l; done; head -c 4 /dev/zero | wc -c; echo x > /dev/null; stat -c %a:%t:%T null zero full random urandom tty");
        foreach (var name in new[] { "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue" })
        {
            Assert.Contains(name, listing.Split('\n'));
        }

        Assert.Contains("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n4\n", listing + "\n", StringComparison.Ordinal);
        Assert.Contains("666:1:3\n666:1:5\n666:1:7\n666:1:8\n666:1:9\n666:5:0", listing, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_listed_devices_can_be_used()
    {
        // 7:0 is a loop device: mknod is allowed to every container, opening it is not.
        var result = _bundle.Run(_bundle.Spec("sh", "-c", "mknod /dev/loop b 7 0 && head -c 1 /dev/loop"));
        Assert.NotEqual(0, result.Status.ShellCode);
        Assert.Contains("not permitted", result.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    [Sentence("config-linux.md", "devices-available")]
    public void Additional_devices_are_made_with_their_owner_and_mode()
    {
        var text = _bundle.Shell("stat -c %F:%a:%u:%g:%t:%T /dev/fuse /var/run/pipe", spec => spec.With(linux => linux with
        {
            Devices =
            [
                new LinuxDevice { Path = "/dev/fuse", Type = "c", Major = 10, Minor = 229, FileMode = 0x1b0, Uid = 5, Gid = 6 },
                new LinuxDevice { Path = "/var/run/pipe", Type = "p", FileMode = 0x180 },
            ],
        }));
        Assert.Equal("character special file:660:5:6:a:e5\nfifo:600:0:0:0:0", text);
    }

    [Fact]
    public void Masked_paths_are_empty_and_read_only_paths_cannot_be_written()
    {
        Assert.Equal("", _bundle.Shell("cat /proc/keys /proc/timer_list 2>/dev/null; ls -A /proc/acpi; ls -A /sys/firmware"));
        var result = _bundle.Run(_bundle.Spec("sh", "-c", "echo 1 > /proc/sys/kernel/core_pattern"));
        Assert.Contains("Read-only file system", result.Output, StringComparison.Ordinal);
        result = _bundle.Run(_bundle.Spec("sh", "-c", "echo b > /proc/fs/x || touch /proc/irq/x || echo 1 > /proc/sys/vm/drop_caches"));
        Assert.Contains("Read-only file system", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("config.md", "root-readonly")]
    public void A_read_only_root_cannot_be_written_but_its_mounts_can()
    {
        var spec = _bundle.Spec("sh", "-c", "touch /x; touch /dev/shm/y && echo fine") with { Root = new Root { Path = "rootfs", Readonly = true } };
        var result = _bundle.Run(spec);
        Assert.Contains("Read-only file system", result.Output, StringComparison.Ordinal);
        Assert.EndsWith("fine\n", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("runtime-linux.md", "descriptors")]
    public void Nothing_of_the_runtime_is_left_in_the_program()
    {
        var status = _bundle.Shell("cat /proc/self/status; ls /proc/self/fd");
        Assert.Contains("SigBlk:\t0000000000000000", status, StringComparison.Ordinal);

        // .NET ignores SIGPIPE (13); what whoever starts the tests ignores is not the runtime's.
        var ignored = status.Split('\n').Single(line => line.StartsWith("SigIgn:\t", StringComparison.Ordinal))[8..];
        Assert.Equal(0, Convert.ToInt64(ignored, 16) & (1 << 12));
        Assert.EndsWith("\n0\n1\n2\n3", status, StringComparison.Ordinal); // 3 is the directory that ls itself has open.
    }

    [Fact]
    public void Ids_groups_and_umask_are_the_users()
    {
        var text = _bundle.Shell("id; umask; grep Cap /proc/self/status", spec => spec.With(process => process with
        {
            User = new User { Uid = 1000, Gid = 1001, AdditionalGids = [7, 8], Umask = 0x3f },
            Capabilities = null,
        }));
        Assert.Contains("uid=1000(alice) gid=1001", text, StringComparison.Ordinal);
        Assert.Contains("7,8", text.Replace("groups=1001,", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("0077", text, StringComparison.Ordinal);
        Assert.Contains("CapBnd:\t0000000000000000", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_five_capability_sets_are_as_configured()
    {
        var text = _bundle.Shell("grep Cap /proc/self/status", spec => spec.With(process => process with
        {
            User = new User { Uid = 1000, Gid = 1000 },
            Capabilities = new Capabilities
            {
                Bounding = ["CAP_KILL", "CAP_CHOWN", "CAP_SETUID"],
                Permitted = ["CAP_KILL", "CAP_CHOWN"],
                Inheritable = ["CAP_KILL"],
                Effective = ["CAP_KILL"],
                Ambient = ["CAP_KILL"],
            },
        }));
        // execve of an ordinary user's plain program leaves the ambient set.
        Assert.Contains("CapInh:\t0000000000000020", text, StringComparison.Ordinal);
        Assert.Contains("CapPrm:\t0000000000000020", text, StringComparison.Ordinal);
        Assert.Contains("CapEff:\t0000000000000020", text, StringComparison.Ordinal);
        Assert.Contains("CapBnd:\t00000000000000a1", text, StringComparison.Ordinal);
        Assert.Contains("CapAmb:\t0000000000000020", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_working_directory_is_made_and_entered() =>
        Assert.Equal("/made/for/it", _bundle.Shell("pwd", spec => spec.With(process => process with { Cwd = "/made/for/it" })));

    [Fact]
    public void A_home_that_is_not_given_comes_from_the_containers_passwd()
    {
        Assert.Equal("/home/alice", _bundle.Shell("echo $HOME", spec => spec.With(process => process with
        {
            Env = ["PATH=/bin"],
            User = new User { Uid = 1000, Gid = 1000 },
        })));
        Assert.Equal("/", _bundle.Shell("echo $HOME", spec => spec.With(process => process with
        {
            Env = ["PATH=/bin"],
            User = new User { Uid = 4242 },
        })));
    }

    [Fact]
    [Sentence("config.md", "rlimit-soft")]
    [Sentence("config.md", "rlimit-hard")]
    [Sentence("config.md", "rlimit-succeeds")]
    public void Limits_are_set()
    {
        Assert.Equal("512\n1024", _bundle.Shell("ulimit -Sn; ulimit -Hn", spec => spec.With(process => process with
        {
            Rlimits = [new Rlimit { Type = "RLIMIT_NOFILE", Soft = 512, Hard = 1024 }],
        })));
    }

    [Fact]
    public void Sysctls_of_the_containers_namespaces_are_set_and_others_refused()
    {
        Assert.Equal("1\n7777", _bundle.Shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", spec => spec.With(linux => linux with
        {
            Sysctl = new Dictionary<string, string> { ["net.ipv4.ip_forward"] = "1", ["kernel.msgmax"] = "7777" },
        })));
        var refused = Assert.Throws<RuntimeException>(() => _bundle.Shell("true", spec => spec.With(linux => linux with
        {
            Sysctl = new Dictionary<string, string> { ["kernel.panic"] = "1" },
        })));
        Assert.Equal("sysctl \"kernel.panic\" is not in a separate kernel namespace", refused.Message);
    }

    [Fact]
    [Sentence("config.md", "oom-score-set")]
    public void The_oom_score_is_adjusted() =>
        Assert.Equal("500", _bundle.Shell("cat /proc/self/oom_score_adj", spec => spec.With(process => process with { OomScoreAdj = 500 })));

    [Theory]
    [InlineData("nonesuch", "exec: \"nonesuch\": executable file not found in $PATH")]
    [InlineData("", "exec: \"\": executable file not found in $PATH")]
    [InlineData("/nonesuch", "exec: \"/nonesuch\": no such file or directory")]
    [InlineData("/etc/passwd", "exec: \"/etc/passwd\": permission denied")]
    [InlineData("/etc", "exec: \"/etc\": permission denied")]
    [Sentence("runtime.md", "errors-leave-nothing")]
    [Sentence("runtime.md", "create-cannot-apply")]
    public void A_program_that_cannot_be_run_is_told_at_creation_and_nothing_is_left(string program, string message)
    {
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec(program)));
        Assert.Equal(message, error.Message);
        Assert.Equal(RuntimeError.Executable, error.Error);
        Assert.Empty(_bundle.Runtime.List());
        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/cais-rt-tests/{_bundle.Id}"));
    }

    [Fact]
    public void A_file_that_is_not_a_program_is_told_at_start()
    {
        File.WriteAllText(Path.Combine(_bundle.Rootfs, "bin/odd"), "not a program");
        File.SetUnixFileMode(Path.Combine(_bundle.Rootfs, "bin/odd"), (UnixFileMode)0x1ed);
        using var container = _bundle.Create(_bundle.Spec("odd"));
        var error = Assert.Throws<RuntimeException>(container.Start);
        Assert.Equal("exec: \"odd\": exec format error", error.Message);
    }

    [Fact]
    [Sentence("runtime.md", "id-unique")]
    [Sentence("runtime.md", "create-id")]
    public void Id_that_is_in_use_is_refused()
    {
        using var first = _bundle.Create(_bundle.Spec("sleep", "100"));
        var error = Assert.Throws<RuntimeException>(() => _bundle.Runtime.Create(_bundle.Request(_bundle.Spec("true"))));
        Assert.Equal(RuntimeError.AlreadyExists, error.Error);
        Assert.Equal(ContainerStatus.Created, first.Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [Sentence("runtime.md", "create-id")]
    public void Ids_that_could_leave_the_state_root_are_refused(string id) =>
        Assert.Throws<RuntimeException>(() => _bundle.Runtime.Create(_bundle.Request(_bundle.Spec("true")) with { Id = id }));

    [Fact]
    [Sentence("runtime.md", "start-not-created")]
    [Sentence("runtime.md", "delete-not-stopped")]
    [Sentence("runtime.md", "kill-not-running")]
    [Sentence("runtime.md", "kill-sends")]
    [Sentence("runtime.md", "query-unknown")]
    [Sentence("runtime.md", "query-returns")]
    [Sentence("runtime.md", "runs-program")]
    [Sentence("runtime.md", "start-runs")]
    public async Task Life_goes_from_created_over_running_to_stopped()
    {
        using var container = _bundle.Create(_bundle.Spec("sleep", "100"));
        Assert.Equal("created", container.State.Status);
        Assert.True(container.State.Pid > 0);
        Assert.Equal(_bundle.Directory, container.State.Bundle);
        using (var other = _bundle.Runtime.Load(_bundle.Id))
        {
            other.Start();
        }

        Assert.Equal("running", container.State.Status);
        Assert.Equal("cannot start an already running container", Assert.Throws<RuntimeException>(container.Start).Message);
        Assert.Equal(RuntimeError.WrongState, Assert.Throws<RuntimeException>(() => container.Delete()).Error);
        container.Kill(Signals.Kill);
        await Eventually.Holds(() => container.Status == ContainerStatus.Stopped, "stopped after SIGKILL");
        Assert.Equal(0, container.State.Pid);
        Assert.Equal(Signals.Kill, Pidfd.Wait(container.PidFd!).Signal);
        Assert.Throws<RuntimeException>(() => container.Kill(Signals.Terminate));
        container.Delete();
        Assert.Equal(RuntimeError.NotFound, Assert.Throws<RuntimeException>(() => _bundle.Runtime.Load(_bundle.Id)).Error);
    }

    [Fact]
    public void Preserved_descriptors_reach_the_program_and_no_others()
    {
        // The number is the test's own choice only in a process of its own: see the command line's tests. Here: none leaks.
        using var secret = Files.Open("/etc", OpenFlags.Path | OpenFlags.Directory);
        Assert.DoesNotContain("/etc", _bundle.Shell("ls -l /proc/self/fd"), StringComparison.Ordinal);
    }
}
