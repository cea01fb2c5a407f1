using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Mounts of every kind, on the real kernel.</summary>
[Trait("Tier", "integration")]
public sealed class MountTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly string _volume;

    public MountTests()
    {
        _volume = Path.Combine(_bundle.Directory, "volume");
        Directory.CreateDirectory(Path.Combine(_volume, "sub"));
        File.WriteAllText(Path.Combine(_volume, "note"), "from outside\n");
    }

    public void Dispose() => _bundle.Dispose();

    private static Mount Bind(string source, string destination, params string[] options) =>
        new() { Source = source, Destination = destination, Type = "bind", Options = ["rbind", .. options] };

    /// <summary>The mount's options as the container sees them.</summary>
    private string Options(string destination, params Mount[] mounts) =>
        _bundle.Shell($"grep ' {destination} ' /proc/self/mountinfo", spec => spec.WithMount(mounts)).Split(' ')[5];

    [Fact]
    public void A_directory_is_bound_at_a_place_that_is_made_for_it() =>
        Assert.Equal("from outside", _bundle.Shell("cat /a/b/c/note", spec => spec.WithMount(Bind(_volume, "/a/b/c"))));

    [Fact]
    public void A_file_is_bound_at_a_place_that_is_made_for_it() =>
        Assert.Equal("from outside", _bundle.Shell("cat /etc/deep/note", spec => spec.WithMount(Bind(Path.Combine(_volume, "note"), "/etc/deep/note"))));

    [Fact]
    public void Sources_are_relative_to_the_bundle() =>
        Assert.Equal("from outside", _bundle.Shell("cat /v/note", spec => spec.WithMount(Bind("volume", "/v"))));

    [Theory]
    [InlineData("ro", "ro")]
    [InlineData("nosuid,nodev,noexec", "rw,nosuid,nodev,noexec")]
    [InlineData("noatime", "noatime")]
    [InlineData("rro", "ro")]
    [InlineData("rnosuid,rnodev", "nosuid,nodev")]
    [InlineData("nosymfollow", "nosymfollow")]
    public void Options_of_a_bind_mount_hold(string options, string expected)
    {
        var actual = Options("/v", Bind(_volume, "/v", options.Split(',')));
        foreach (var word in expected.Split(','))
        {
            Assert.Contains(word, actual.Split(','));
        }
    }

    [Fact]
    public void Recursive_read_only_reaches_the_mounts_below()
    {
        var script = "touch /v/sub/x 2>/dev/null && echo writable || echo read-only";
        Mounts.Mount("tmpfs", Path.Combine(_volume, "sub"), "tmpfs", MountFlags.None);
        try
        {
            Assert.Equal("writable", _bundle.Shell(script, spec => spec.WithMount(Bind(_volume, "/v", "ro"))));
            Assert.Equal("read-only", _bundle.Shell(script, spec => spec.WithMount(Bind(_volume, "/v", "rro"))));
        }
        finally
        {
            Mounts.Unmount(Path.Combine(_volume, "sub"));
        }
    }

    [Fact]
    public void Propagation_is_as_asked()
    {
        Assert.Contains("shared:", Tags("/v", Bind(_volume, "/v", "rshared")), StringComparison.Ordinal);
        Assert.DoesNotContain("shared:", Tags("/v", Bind(_volume, "/v", "rprivate")), StringComparison.Ordinal);
    }

    private string Tags(string destination, params Mount[] mounts) =>
        _bundle.Shell($"grep ' {destination} ' /proc/self/mountinfo", spec => spec.WithMount(mounts)).Split(" - ")[0];

    [Fact]
    public void Nothing_of_the_container_appears_in_the_hosts_mount_table()
    {
        using var container = _bundle.Create(_bundle.Spec("sleep", "100").WithMount(Bind(_volume, "/v")));
        Assert.DoesNotContain(_bundle.Directory, File.ReadAllText("/proc/self/mountinfo"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_tmpfs_has_the_mode_of_what_it_covers_unless_told()
    {
        Directory.CreateDirectory(Path.Combine(_bundle.Rootfs, "tight"), (UnixFileMode)0x1c0);
        Assert.Equal("700\n1777\n751", _bundle.Shell("stat -c %a /tight; stat -c %a /fresh; stat -c %a /told", spec => spec.WithMount(
            new Mount { Destination = "/tight", Type = "tmpfs", Source = "tmpfs" },
            new Mount { Destination = "/fresh", Type = "tmpfs", Source = "tmpfs" },
            new Mount { Destination = "/told", Type = "tmpfs", Source = "tmpfs", Options = ["mode=751"] })));
    }

    [Fact]
    public void A_mount_that_cannot_be_made_is_named_and_nothing_is_left()
    {
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(Bind("/nonesuch", "/v"))));
        Assert.Equal("mount /nonesuch on /v: no such file or directory", error.Message);
        error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(
            new Mount { Destination = "/v", Type = "nonesuch", Source = "x" })));
        Assert.Equal("mount nonesuch on /v: no such device", error.Message);
        Assert.Empty(_bundle.Runtime.List());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Cgroups_are_mounted_for_the_container_only(bool ownNamespace)
    {
        var tree = CgroupLayout.Detect().IsUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        var spec = _bundle.Spec("sh", "-c", $"cat {tree}/cgroup.procs; ls -d {tree}/cais-rt-tests; touch /sys/fs/cgroup/x")
            .WithMount(new Mount { Destination = "/sys/fs/cgroup", Type = "cgroup", Source = "cgroup", Options = ["ro", "nosuid", "noexec", "nodev"] });
        if (!ownNamespace)
        {
            spec = spec.With(linux => linux with { Namespaces = [.. linux.Namespaces!.Where(n => n.Type != "cgroup")] });
        }

        var output = _bundle.Run(spec).Output;
        Assert.StartsWith("1\n", output, StringComparison.Ordinal);
        Assert.Contains("No such file", output, StringComparison.Ordinal);
        Assert.Contains("Read-only", output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_overlay_root_of_many_layers_is_mounted_inside_only()
    {
        const int Layers = 150;
        var lower = new List<string>();
        for (var i = 0; i < Layers; i++)
        {
            var layer = Path.Combine(_bundle.Directory, $"layer{i:000}");
            Directory.CreateDirectory(layer);
            File.WriteAllText(Path.Combine(layer, $"file{i}"), "");
            lower.Add(layer);
        }

        Directory.CreateDirectory(Path.Combine(_bundle.Directory, "upper"));
        Directory.CreateDirectory(Path.Combine(_bundle.Directory, "work"));
        var root = Path.Combine(_bundle.Directory, "base");
        BusyboxRoot.Create(root);
        lower.Add(root);
        var overlay = new RootfsMount(
            "overlay", "overlay",
            [$"lowerdir={string.Join(':', lower)}", $"upperdir={_bundle.Directory}/upper", $"workdir={_bundle.Directory}/work"]);
        var result = _bundle.Run(
            _bundle.Spec("sh", "-c", "ls /file* | wc -l; echo kept > /written"), request => request with { RootfsMounts = [overlay] });
        Assert.Equal($"{Layers}\n", result.Output);
        Assert.Equal("kept\n", File.ReadAllText(Path.Combine(_bundle.Directory, "upper/written")));
        Assert.DoesNotContain(_bundle.Directory, File.ReadAllText("/proc/self/mountinfo"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_overlay_that_is_refused_is_explained()
    {
        // Two layers: one alone is an error of its own to older kernels.
        var overlay = new RootfsMount("overlay", "overlay", [$"lowerdir={_bundle.Directory}/nonesuch:{_bundle.Rootfs}"]);
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(
            _bundle.Spec("true"), change: request => request with { RootfsMounts = [overlay] }));
        Assert.Contains("nonesuch", error.Message, StringComparison.Ordinal);
        Assert.Contains("no such file or directory", error.Message, StringComparison.Ordinal);
    }
}
