using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>The ways out of a container that other runtimes have had, by their numbers.</summary>
[Trait("Tier", "integration")]
public sealed class IsolationTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly string _outside;

    public IsolationTests()
    {
        _outside = Path.Combine(_bundle.Directory, "outside");
        Directory.CreateDirectory(_outside);
    }

    public void Dispose() => _bundle.Dispose();

    private static Mount Bind(string source, string destination) =>
        new() { Source = source, Destination = destination, Type = "bind", Options = ["rbind"] };

    [Theory]
    [InlineData("/link")]
    [InlineData("/link/deep/er")]
    [InlineData("/up")]
    public void CVE_2021_30465_a_symlinked_mount_target_stays_inside(string destination)
    {
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "link"), _outside);
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "up"), "../../../../../../../.." + _outside);
        Directory.CreateDirectory(Path.Combine(_bundle.Rootfs, _outside[1..]));
        var volume = Path.Combine(_bundle.Directory, "volume");
        Directory.CreateDirectory(volume);
        File.WriteAllText(Path.Combine(volume, "mark"), "volume");
        Assert.Equal("volume", _bundle.Shell($"cat {destination}/mark", spec => spec.WithMount(Bind(volume, destination))));
        Assert.Empty(Directory.GetFileSystemEntries(_outside));
    }

    [Fact]
    public void CVE_2021_30465_a_target_that_is_swapped_all_the_time_never_leads_out()
    {
        // Another container that shares the volume swaps a directory for a link to / while mounts are made below it.
        var shared = Path.Combine(_bundle.Directory, "shared");
        Directory.CreateDirectory(Path.Combine(shared, "a/target"));
        File.CreateSymbolicLink(Path.Combine(shared, "b"), "/");
        var data = Path.Combine(_bundle.Directory, "data");
        Directory.CreateDirectory(data);
        using var stop = new CancellationTokenSource();
        var swapper = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Files.Exchange(Path.Combine(shared, "a"), Path.Combine(shared, "b"));
            }
        });
        swapper.Start();
        try
        {
            for (var i = 0; i < 20; i++)
            {
                var spec = _bundle.Spec("cat", "/proc/self/mountinfo").WithMount(Bind(shared, "/shared"), Bind(data, "/shared/a/target"));
                try
                {
                    _bundle.Run(spec);
                }
                catch (RuntimeException e) when (e.InnerException is LinuxException)
                {
                    // To be refused while the target is gone is fine.
                }

                Assert.False(Directory.Exists("/target"));
                Assert.DoesNotContain(_bundle.Directory, File.ReadAllText("/proc/self/mountinfo"), StringComparison.Ordinal);
            }
        }
        finally
        {
            stop.Cancel();
            swapper.Join();
        }
    }

    [Fact]
    public void CVE_2019_16884_a_mount_that_lands_in_proc_is_refused()
    {
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "data"), "/proc/self/attr");
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(Bind(_outside, "/data"))));
        Assert.Contains("inside /proc", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(Bind(_outside, "/proc/sys"))));
        Assert.Contains("inside /proc", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CVE_2019_16884_proc_behind_a_symlink_is_refused()
    {
        Directory.Delete(Path.Combine(_bundle.Rootfs, "proc"));
        Directory.CreateDirectory(Path.Combine(_bundle.Rootfs, "fake"));
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "proc"), "fake");
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true")));
        Assert.Equal("mount proc on /proc: too many levels of symbolic links", error.Message);
    }

    [Fact]
    public void Files_of_proc_that_engines_replace_can_be_replaced()
    {
        var file = Path.Combine(_bundle.Directory, "meminfo");
        File.WriteAllText(file, "MemTotal: little\n");
        Assert.Equal("MemTotal: little", _bundle.Shell("cat /proc/meminfo", spec => spec.WithMount(Bind(file, "/proc/meminfo"))));
    }

    /// <summary>The host's root is open here under that number, and so it is in the fork that becomes the container.</summary>
    [Theory]
    [InlineData("/proc/self/fd/{0}")]
    [InlineData("/proc/self/fd/{0}/etc")]
    [InlineData("/proc/thread-self/fd/{0}/../..")]
    public void CVE_2024_21626_a_descriptor_is_no_working_directory(string path)
    {
        using var host = Files.Open("/", OpenFlags.Path | OpenFlags.Directory);
        var cwd = string.Format(System.Globalization.CultureInfo.InvariantCulture, path, host.Number);
        var error = Assert.Throws<RuntimeException>(() => _bundle.Run(_bundle.Spec("ls", "-d", "boot", "../boot").With(p => p with { Cwd = cwd })));
        Assert.Contains("working directory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CVE_2024_21626_a_link_in_the_image_to_a_descriptor_is_no_working_directory_either()
    {
        using var host = Files.Open("/", OpenFlags.Path | OpenFlags.Directory);
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "innocent"), $"/proc/self/fd/{host.Number}");
        Assert.Throws<RuntimeException>(() => _bundle.Run(_bundle.Spec("ls", "boot").With(p => p with { Cwd = "/innocent" })));
    }

    [Fact]
    public void CVE_2024_21626_exec_cannot_start_in_a_descriptor_either()
    {
        using var container = _bundle.Create(_bundle.Spec("sleep", "100"));
        container.Start();
        using var host = Files.Open("/", OpenFlags.Path | OpenFlags.Directory);
        Assert.Throws<RuntimeException>(() => TestBundle.Exec(container, TestSpec.Process("pwd") with { Cwd = $"/proc/self/fd/{host.Number}" }));

        // Standard input is a descriptor that stays: here nothing but the check of the path holds.
        using var output = new CapturedStream();
        var error = Assert.Throws<RuntimeException>(() => container.Exec(new ExecRequest
        {
            Process = TestSpec.Process("pwd") with { Cwd = "/proc/self/fd/0" },
            Streams = new StandardStreams(host, output.Writer, output.Writer),
        }));
        Assert.Contains("working directory", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Even one that the container shall have: the check of the path holds without the closing of descriptors.</summary>
    [Fact]
    public void CVE_2024_21626_a_directory_as_standard_input_is_no_working_directory()
    {
        using var host = Files.Open("/", OpenFlags.ReadOnly | OpenFlags.Directory);
        using var output = new CapturedStream();
        var spec = _bundle.Spec("ls", "boot").With(p => p with { Cwd = "/proc/self/fd/0" });
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(spec, new StandardStreams(host, output.Writer, output.Writer)));
        Assert.Contains("working directory", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The path of a program may lead through descriptors, so there are none left by then: the closing of descriptors holds without the check of paths.</summary>
    [Fact]
    public void CVE_2024_21626_a_program_behind_a_descriptor_is_not_found()
    {
        using var host = Files.Open("/", OpenFlags.Path | OpenFlags.Directory);
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec($"/proc/self/fd/{host.Number}/bin/true")));
        Assert.Equal(RuntimeError.Executable, error.Error);
    }

    [Fact]
    [Sentence("config-linux.md", "device-mismatch")]
    public void CVE_2025_31133_a_replaced_dev_null_masks_nothing_else()
    {
        // Without a /dev of its own, the container brings the image's: /dev/null there is a link to something worth writing to.
        var victim = Path.Combine(_outside, "victim");
        File.WriteAllText(victim, "untouched");
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "dev/null"), "/proc/sys/kernel/core_pattern");
        var spec = _bundle.Spec("cat", "/proc/keys", "/proc/timer_list");
        spec = spec with { Mounts = [.. spec.Mounts!.Where(m => !m.Destination.StartsWith("/dev", StringComparison.Ordinal))] };
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(spec));
        Assert.Equal("create device /dev/null: file exists", error.Message);
    }

    [Fact]
    public void CVE_2025_31133_masks_are_the_hosts_dev_null()
    {
        var spec = _bundle.Spec("sh", "-c", "stat -c %t:%T /proc/keys; grep ' /proc/keys ' /proc/self/mountinfo | grep -c devtmpfs");
        Assert.Equal("1:3\n1\n", _bundle.Run(spec).Output);
    }

    [Fact]
    public void CVE_2025_52565_a_console_that_is_a_link_is_not_followed()
    {
        var spec = _bundle.Spec("sh", "-c", "cat /proc/sys/kernel/core_pattern; stat -c %t /dev/console");
        spec = spec with { Mounts = [.. spec.Mounts!.Where(m => m.Destination != "/dev")] };
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "dev/console"), "/proc/sys/kernel/core_pattern");
        using var container = _bundle.Create(spec.With(p => p with { Terminal = true }));
        container.Start();

        // The terminal (major 136, hexadecimal 88) covers the link itself; what the link points to is as it was.
        var lines = Terminals.ReadAll(container.Console!).Split("\r\n");
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/core_pattern").TrimEnd(), lines[0]);
        Assert.Equal("88", lines[1]);
    }

    [Fact]
    public void CVE_2025_52565_a_terminal_of_the_containers_making_is_refused()
    {
        var spec = _bundle.Spec("tty");
        spec = spec with { Mounts = [.. spec.Mounts!.Where(m => m.Destination is not ("/dev" or "/dev/pts"))] };
        Directory.CreateDirectory(Path.Combine(_bundle.Rootfs, "dev/pts"));
        File.WriteAllText(Path.Combine(_bundle.Rootfs, "dev/pts/ptmx"), "");
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(spec.With(p => p with { Terminal = true })));
        Assert.Contains("not a devpts file", error.Message, StringComparison.Ordinal);
    }

    /// <summary>An image whose own /proc is a set of files, and no proc filesystem to cover them.</summary>
    private Spec WithFakeProc(Spec spec, params string[] files)
    {
        foreach (var file in files)
        {
            var path = Path.Combine(_bundle.Rootfs, "proc", file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "untouched");
        }

        return (spec with { Mounts = [.. spec.Mounts!.Where(m => m.Destination != "/proc")] }).With(linux => linux with { MaskedPaths = [], ReadonlyPaths = [] });
    }

    private string FakeProc(string file) => File.ReadAllText(Path.Combine(_bundle.Rootfs, "proc", file));

    [Fact]
    public void CVE_2025_52881_sysctls_go_to_the_kernel_whatever_the_container_has_for_proc()
    {
        var spec = WithFakeProc(_bundle.Spec("sleep", "1000"), "sys/net/ipv4/ip_forward").With(linux => linux with
        {
            Sysctl = new Dictionary<string, string> { ["net.ipv4.ip_forward"] = "1" },
        });
        using var container = _bundle.Create(spec);
        Assert.Equal("untouched", FakeProc("sys/net/ipv4/ip_forward"));
        Assert.Equal("1\n", Namespaces.Run(NamespaceKind.Network, $"/proc/{container.Pid}/ns/net", () => File.ReadAllText("/proc/sys/net/ipv4/ip_forward")));
    }

    [Fact]
    public void CVE_2025_52881_process_settings_go_to_the_kernel_at_create_and_at_exec()
    {
        var spec = WithFakeProc(_bundle.Spec("sleep", "1000"), "self/oom_score_adj", "thread-self/oom_score_adj").With(process => process with { OomScoreAdj = 321 });
        using var container = _bundle.Create(spec);
        container.Start();
        Assert.Equal("321\n", File.ReadAllText($"/proc/{container.Pid}/oom_score_adj"));
        using var handle = container.Exec(new ExecRequest { Process = TestSpec.Process("sleep", "1000") with { OomScoreAdj = 654 } });
        Assert.Equal("654\n", File.ReadAllText($"/proc/{handle.Pid}/oom_score_adj"));
        Assert.Equal("untouched", FakeProc("self/oom_score_adj"));
        Pidfd.Signal(handle.PidFd, Signals.Kill);
        handle.Wait();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CVE_2025_52881_a_label_is_never_written_to_what_the_container_has_for_proc(bool apparmor)
    {
        Assert.SkipWhen(Directory.Exists("/sys/module/apparmor") || Directory.Exists("/sys/fs/selinux/booleans"), "a security module would take the label");
        var spec = WithFakeProc(_bundle.Spec("true"), "self/attr/exec", "self/attr/apparmor/exec").With(process =>
            apparmor ? process with { ApparmorProfile = "some-profile" } : process with { SelinuxLabel = "system_u:system_r:container_t:s0" });
        Assert.Throws<RuntimeException>(() => _bundle.Create(spec));
        Assert.Equal("untouched", FakeProc("self/attr/exec"));
        Assert.Equal("untouched", FakeProc("self/attr/apparmor/exec"));
    }

    [Fact]
    public void CVE_2019_16884_a_picture_of_proc_is_no_proc()
    {
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(Bind(_outside, "/proc"))));
        Assert.Contains("/proc", error.Message, StringComparison.Ordinal);
        var spec = _bundle.Spec("true");
        spec = spec with { Mounts = [Bind(_outside, "/proc"), .. spec.Mounts!.Where(m => m.Destination != "/proc")] };
        Assert.Contains("not a proc filesystem", Assert.Throws<RuntimeException>(() => _bundle.Create(spec)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Exec_into_a_container_that_has_swapped_its_root_stays_inside()
    {
        // The container builds another root, makes it its own with pivot_root and leaves nothing of the old one.
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "bin/pivot_root"), "busybox");
        File.CreateSymbolicLink(Path.Combine(_bundle.Rootfs, "bin/umount"), "busybox");
        using var output = new CapturedStream();
        var spec = _bundle.Spec("sh", "-c", "mount -t tmpfs t /home && cp -a /bin /home/bin && cd /home && mkdir old swapped && pivot_root . old && umount -l /old; echo ready; exec sleep 1000")
            .With(process => process with { Capabilities = new Capabilities { Bounding = ["CAP_SYS_ADMIN"], Effective = ["CAP_SYS_ADMIN"], Permitted = ["CAP_SYS_ADMIN"] } });
        using var container = _bundle.Create(spec, new StandardStreams(null, output.Writer, output.Writer));
        container.Start();
        Assert.Equal("ready", output.ReadLine());
        Assert.Equal("bin\nold\nswapped\n", TestBundle.Exec(container, "ls", "/").Output);
        Assert.Equal("/\n", TestBundle.Exec(container, "sh", "-c", "cd ..; cd ../..; pwd; for d in boot etc usr; do test -e $d && echo $d; done; true").Output);
    }

    [Fact]
    public void The_root_of_the_host_is_gone_after_the_switch()
    {
        Assert.Equal("1", _bundle.Shell("grep -c /cais-rt- /proc/self/mountinfo"));
        Assert.Equal("/bin /dev /etc /home /proc /root /sys /tmp", _bundle.Shell("echo /*"));
        Assert.Equal("/bin /dev /etc /home /proc /root /sys /tmp", _bundle.Shell("cd /..; cd ../../..; echo /*"));
    }

    [Fact]
    public void An_outside_fifo_as_passwd_does_not_hang_the_runtime()
    {
        File.Delete(Path.Combine(_bundle.Rootfs, "etc/passwd"));
        Files.MakeFifo(Path.Combine(_bundle.Rootfs, "etc/passwd"), 0x1a4);
        Assert.Equal("/", _bundle.Shell("echo $HOME", spec => spec.With(p => p with { Env = ["PATH=/bin"] })));
    }

    [Fact]
    public void A_state_file_that_is_damaged_is_told()
    {
        using var container = _bundle.Create(_bundle.Spec("sleep", "100"));
        var path = Path.Combine(_bundle.Runtime.StateRoot, _bundle.Id, "state.json");
        var good = File.ReadAllBytes(path);
        File.WriteAllBytes(path, Encoding.UTF8.GetBytes("{\"id\":"));
        Assert.Contains("not readable", Assert.Throws<RuntimeException>(() => _bundle.Runtime.Load(_bundle.Id)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, good);
    }
}
