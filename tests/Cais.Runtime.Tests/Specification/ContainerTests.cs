using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Specification;

/// <summary>Demands on what a container is and does, on the real kernel, as far as no other test has them.</summary>
[Trait("Tier", "integration")]
public sealed class ContainerTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    private static LinuxNamespace Space(string type, string? path = null) => new() { Type = type, Path = path };

    [Fact]
    [Sentence("config.md", "mounts-order")]
    public void Later_mounts_cover_earlier_ones()
    {
        var tmpfs = new Mount { Destination = "/", Type = "tmpfs", Source = "tmpfs" };
        Assert.Equal("700\n711", _bundle.Shell("stat -c %a /a; stat -c %a /a/b", spec => spec.WithMount(
            tmpfs with { Destination = "/a/b", Options = ["mode=777"] }, tmpfs with { Destination = "/a", Options = ["mode=700"] },
            tmpfs with { Destination = "/a/b", Options = ["mode=711"] })));
    }

    [Fact]
    [Sentence("config.md", "mount-relative")]
    public void A_destination_that_is_not_absolute_starts_at_the_root() =>
        Assert.Equal("tmpfs", _bundle.Shell("stat -f -c %T /a/b", spec => spec.WithMount(new Mount { Destination = "a/b", Type = "tmpfs", Source = "tmpfs" })));

    [Fact]
    [Sentence("config.md", "console-size-ignored")]
    public void A_console_size_without_a_terminal_is_ignored() =>
        Assert.Equal("fine", _bundle.Shell("echo fine", spec => spec.With(process => process with { ConsoleSize = new ConsoleSize { Height = 3, Width = 4 } })));

    [Fact]
    [Sentence("config.md", "args-one")]
    public void There_is_a_program_to_run() =>
        Assert.Contains("process.args is empty", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec())).Message, StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "rlimit-unknown")]
    public void A_limit_that_the_kernel_does_not_know_is_refused() =>
        Assert.Equal("rlimit RLIMIT_LUCK is not known", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").With(process => process with
        {
            Rlimits = [new Rlimit { Type = "RLIMIT_LUCK", Soft = 1, Hard = 1 }],
        }))).Message);

    [Fact]
    [Sentence("config.md", "capabilities-unknown")]
    public void Unknown_capabilities_are_a_warning()
    {
        using var container = _bundle.Create(_bundle.Spec("true").With(process => process with
        {
            Capabilities = new Capabilities { Bounding = ["CAP_KILL", "CAP_TO_FLY"], Effective = ["CAP_TO_FLY"], Permitted = ["CAP_KILL"] },
        }));
        Assert.Equal(["capability CAP_TO_FLY is not known here and is left out"], container.Warnings);
        container.Start();
        Assert.Equal(0, Pidfd.Wait(container.PidFd!).ShellCode);
    }

    [Fact]
    [Sentence("config.md", "oom-score-unset")]
    public void The_oom_score_is_left_alone_unless_asked_for() =>
        Assert.Equal(File.ReadAllText("/proc/self/oom_score_adj").Trim(), _bundle.Shell("cat /proc/self/oom_score_adj"));

    [Fact]
    [Sentence("config.md", "scheduler-defaults")]
    public void A_scheduler_without_numbers_has_zeros()
    {
        // Field 19 of stat is the nice value, 41 the policy: 3 is SCHED_BATCH, 5 SCHED_IDLE.
        string Stat(Scheduler scheduler) => _bundle.Shell("cat /proc/self/stat", spec => spec.With(process => process with { Scheduler = scheduler }));
        var fields = Stat(new Scheduler { Policy = "SCHED_BATCH" }).Split(' ');
        Assert.Equal(("0", "3"), (fields[18], fields[40]));
        fields = Stat(new Scheduler { Policy = "SCHED_BATCH", Nice = 7 }).Split(' ');
        Assert.Equal(("7", "3"), (fields[18], fields[40]));
        Assert.Equal("5", Stat(new Scheduler { Policy = "SCHED_IDLE" }).Split(' ')[40]);
    }

    [Fact]
    [Sentence("config-linux.md", "namespace-path-absolute")]
    public void A_namespace_path_is_absolute() =>
        Assert.Contains("must be absolute", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").With(linux => linux with
        {
            Namespaces = [Space("mount"), Space("uts", "self/ns/uts")],
        }))).Message, StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "namespace-new")]
    [Sentence("config-linux.md", "namespace-inherited")]
    public void Listed_namespaces_are_new_and_all_others_the_runtimes()
    {
        string[] names = ["pid", "net", "uts", "ipc", "cgroup", "user", "time"];
        string[] own = [.. names.Select(name => new FileInfo($"/proc/self/ns/{name}").LinkTarget!)];
        var script = $"for n in {string.Join(' ', names)}; do readlink /proc/self/ns/$n; done";
        Assert.Equal(own, _bundle.Shell(script, spec => (spec with { Hostname = null }).With(linux => linux with { Namespaces = [Space("mount")] })).Split('\n'));
        _bundle.MapRootfs(100_000);
        var made = _bundle.Shell(script, spec => TestSpec.WithUserNamespace(spec).With(linux => linux with { Namespaces = [.. linux.Namespaces!, Space("time")] })).Split('\n');
        Assert.Equal(names.Length, made.Length);
        Assert.Empty(made.Intersect(own));
    }

    [Fact]
    [Sentence("config-linux.md", "cgroup-unfit")]
    public void A_frozen_cgroup_is_refused()
    {
        var layout = CgroupLayout.Detect();
        var directory = $"{(layout.IsUnified ? layout.Hierarchies[0] : layout.Find("freezer")!).MountPoint}/cais-rt-tests/{_bundle.Id}";
        Directory.CreateDirectory(directory);
        File.WriteAllText($"{directory}/{(layout.IsUnified ? "cgroup.freeze" : "freezer.state")}", layout.IsUnified ? "1" : "FROZEN");
        Assert.Contains("is frozen", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/cais-rt-tests/{0}", "/cais-rt-tests/{0}")]
    [InlineData("{0}", "{0}")]
    [Sentence("config-linux.md", "cgroups-path-kinds")]
    [Sentence("config-linux.md", "cgroups-path-absolute")]
    [Sentence("config-linux.md", "cgroups-path-consistent")]
    public void A_cgroups_path_means_the_same_place_every_time(string path, string expected)
    {
        path = string.Format(System.Globalization.CultureInfo.InvariantCulture, path, _bundle.Id);
        expected = string.Format(System.Globalization.CultureInfo.InvariantCulture, expected, _bundle.Id);
        var hierarchy = CgroupLayout.Detect().Find("pids") ?? CgroupLayout.Detect().Hierarchies[0];
        var own = hierarchy.IsUnified ? Path.GetDirectoryName(hierarchy.OwnPath) ?? "" : hierarchy.OwnPath;
        var directory = expected.StartsWith('/') ? hierarchy.MountPoint + expected : $"{hierarchy.MountPoint}{own.TrimEnd('/')}/{expected}";
        for (var i = 0; i < 2; i++)
        {
            using var container = _bundle.Create(_bundle.Spec("sleep", "1000").With(linux => linux with { CgroupsPath = path }));
            Assert.Contains(container.Pid.ToString(System.Globalization.CultureInfo.InvariantCulture), File.ReadAllLines($"{directory}/cgroup.procs"));
            container.Delete(force: true);
            Pidfd.Wait(container.PidFd!);
        }
    }

    [Fact]
    [Sentence("config-linux.md", "cgroups-path-invalid")]
    public void A_cgroups_path_that_leads_up_is_refused() =>
        Assert.Contains("must not contain ..", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").With(linux => linux with { CgroupsPath = "/a/../../b" }))).Message, StringComparison.Ordinal);

    [Fact]
    [Sentence("runtime.md", "state-values")]
    [Sentence("runtime.md", "state-schema")]
    public void The_state_is_as_its_schema_says()
    {
        using var container = _bundle.Create(_bundle.Spec("sleep", "1000") with { Annotations = new Dictionary<string, string> { ["a.b"] = "c" } });
        container.Start();
        using var json = JsonDocument.Parse(container.State.ToUtf8());
        var state = json.RootElement;
        Assert.Equal(JsonValueKind.String, state.GetProperty("ociVersion").ValueKind);
        Assert.Equal(_bundle.Id, state.GetProperty("id").GetString());
        Assert.Equal("running", state.GetProperty("status").GetString());
        Assert.Equal(container.Pid, state.GetProperty("pid").GetInt32());
        Assert.Equal(_bundle.Directory, state.GetProperty("bundle").GetString());
        Assert.Equal("c", state.GetProperty("annotations").GetProperty("a.b").GetString());

        // The one state beyond the specification's is one that it has no word for.
        container.Pause();
        Assert.Equal("paused", container.State.Status);
        container.Resume();
        Assert.Equal(["created", "creating", "paused", "running", "stopped"], Enum.GetNames<ContainerStatus>().Select(name => name.ToLowerInvariant()).Order());
    }

    [Fact]
    [Sentence("runtime.md", "environment-created")]
    [Sentence("runtime.md", "program-not-run")]
    [Sentence("runtime.md", "create-new")]
    [Sentence("runtime.md", "create-applied")]
    [Sentence("runtime.md", "create-args-later")]
    public void Everything_is_there_after_create_but_the_program()
    {
        using var container = _bundle.Create(_bundle.Spec("sh", "-c", "touch /ran"));
        Assert.Equal("created", container.State.Status);
        Assert.False(File.Exists(Path.Combine(_bundle.Rootfs, "ran")));
        Assert.NotEqual(new FileInfo("/proc/self/ns/net").LinkTarget, new FileInfo($"/proc/{container.Pid}/ns/net").LinkTarget);
        Assert.Contains(" /proc ", File.ReadAllText($"/proc/{container.Pid}/mountinfo"), StringComparison.Ordinal);
        container.Start();
        Pidfd.Wait(container.PidFd!);
        Assert.True(File.Exists(Path.Combine(_bundle.Rootfs, "ran")));
    }

    [Fact]
    [Sentence("runtime.md", "config-changes")]
    public void Changes_of_the_configuration_after_create_have_no_effect()
    {
        var path = Path.Combine(_bundle.Directory, "config.json");
        void Write(Spec spec) => File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(spec, SpecJson.Default.Spec));
        Write(_bundle.Spec("sh", "-c", "echo first > /who"));
        using var container = _bundle.Create(_bundle.Spec("true"), change: request => request with { Configuration = null });
        Write(_bundle.Spec("sh", "-c", "echo second > /who") with { Hooks = new Oci.Runtime.Hooks { Poststart = [new Hook { Path = "/bin/false" }] } });
        using (var later = _bundle.Runtime.Load(_bundle.Id))
        {
            later.Start();
        }

        Pidfd.Wait(container.PidFd!);
        Assert.Equal("first\n", File.ReadAllText(Path.Combine(_bundle.Rootfs, "who")));
    }

    [Fact]
    [Sentence("runtime.md", "start-process")]
    public void A_configuration_without_a_process_cannot_be_started() =>
        Assert.Contains("no process to run", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true") with { Process = null }).Start()).Message, StringComparison.Ordinal);

    [Fact]
    [Sentence("runtime.md", "destroy")]
    [Sentence("runtime.md", "delete-resources")]
    [Sentence("runtime.md", "delete-others")]
    public void Delete_takes_away_what_create_made_and_nothing_else()
    {
        var hierarchy = CgroupLayout.Detect().Find("pids") ?? CgroupLayout.Detect().Hierarchies[0];
        var parent = $"{hierarchy.MountPoint}/cais-rt-tests/{_bundle.Id}";
        Directory.CreateDirectory($"{parent}/neighbour");
        var volume = Path.Combine(_bundle.Directory, "volume");
        Directory.CreateDirectory(volume);
        var spec = _bundle.Spec("sh", "-c", "touch /v/made").WithMount(new Mount { Source = volume, Destination = "/v", Type = "bind", Options = ["bind"] });
        Assert.Equal(0, _bundle.Run(spec.With(linux => linux with { CgroupsPath = $"/cais-rt-tests/{_bundle.Id}/box" })).Status.ShellCode);
        Assert.False(Directory.Exists($"{parent}/box"));
        Assert.True(Directory.Exists($"{parent}/neighbour"));
        Assert.True(File.Exists(Path.Combine(volume, "made")));
        Assert.Empty(Directory.GetFileSystemEntries(_bundle.Runtime.StateRoot));
        foreach (var each in CgroupLayout.Detect().Hierarchies)
        {
            var directory = $"{each.MountPoint}/cais-rt-tests/{_bundle.Id}";
            if (Directory.Exists($"{directory}/neighbour"))
            {
                Directory.Delete($"{directory}/neighbour");
            }

            if (Directory.Exists(directory))
            {
                Directory.Delete(directory);
            }
        }
    }

    [Fact]
    public void Huge_pages_are_limited_where_the_controller_is()
    {
        var layout = CgroupLayout.Detect();
        var unified = layout.Hierarchies.FirstOrDefault(h => h.IsUnified);
        Assert.SkipWhen(unified is null || !File.ReadAllText($"{unified.MountPoint}/cgroup.controllers").Contains("hugetlb", StringComparison.Ordinal), "needs hugetlb on v2");
        using var container = _bundle.Create(_bundle.Spec("sleep", "1000").With(linux => linux with
        {
            Resources = new LinuxResources { HugepageLimits = [new HugepageLimit { PageSize = "2MB", Limit = 4 << 20 }] },
        }));
        var directory = $"{unified.MountPoint}/cais-rt-tests/{_bundle.Id}";
        Assert.Equal("4194304", File.ReadAllText($"{directory}/hugetlb.2MB.max").Trim());
        Assert.Equal("4194304", File.ReadAllText($"{directory}/hugetlb.2MB.rsvd.max").Trim());
    }

    [Fact]
    [Sentence("config-linux.md", "unified-missing")]
    public void Unified_settings_are_refused_where_their_controller_is_not()
    {
        Assert.SkipWhen(CgroupLayout.Detect().IsUnified, "the memory controller is on v2 here");
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").With(linux => linux with
        {
            Resources = new LinuxResources { Unified = new Dictionary<string, string> { ["memory.max"] = "1000000" } },
        })));
        Assert.Matches("the cgroup controller memory is not enabled|need cgroup v2", error.Message);
    }
}
