using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Bind mounts under other ids.</summary>
[Trait("Tier", "integration")]
public sealed class IdMappedMountTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly string _volume;

    public IdMappedMountTests()
    {
        // On a disk: in memory only kernels from 6.3 can.
        _volume = Path.Combine(Environment.GetEnvironmentVariable("CAIS_TEST_DISK") ?? "/var/tmp", $"{_bundle.Id}-volume");
        Directory.CreateDirectory(Path.Combine(_volume, "sub"));
        File.WriteAllText(Path.Combine(_volume, "note"), "");
        Give(_volume, 1000);
        Give(Path.Combine(_volume, "note"), 1001);
    }

    public void Dispose()
    {
        _bundle.Dispose();
        Directory.Delete(_volume, recursive: true);
    }

    private static void Give(string path, uint id)
    {
        using var file = Files.Open(path, OpenFlags.ReadOnly);
        Files.ChangeOwner(file, id, id);
    }

    private static IdMapping Map(uint inside, uint outside, uint size) => new() { ContainerId = inside, HostId = outside, Size = size };

    private Mount Mount(string[] options, params IdMapping[] mappings) => new()
    {
        Source = _volume,
        Destination = "/v",
        Type = "bind",
        Options = options,
        UidMappings = mappings.Length > 0 ? mappings : null,
        GidMappings = mappings.Length > 0 ? mappings : null,
    };

    [Fact]
    [Sentence("config.md", "idmap")]
    [Sentence("config.md", "idmap-own-mappings")]
    public void Owners_are_seen_and_kept_through_the_mounts_own_mapping()
    {
        // What is 1000 on disk is 5000 here, and what 5001 makes is 1001's.
        var text = _bundle.Shell(
            "stat -c %u:%g /v /v/note; touch /v/made; stat -c %u /v/made",
            spec => spec.With(process => process with { User = new User { Uid = 5000, Gid = 5000 }, Capabilities = null })
                .WithMount(Mount(["bind", "idmap"], Map(1000, 5000, 2))));
        Assert.Equal("5000:5000\n5001:5001\n5000", text);
        using var made = Files.Open(Path.Combine(_volume, "made"), OpenFlags.ReadOnly);
        Assert.Equal(1000u, Files.Status(made.Number).Uid);
    }

    [Fact]
    [Sentence("config.md", "idmap")]
    public void Without_mappings_of_its_own_a_mount_takes_the_containers()
    {
        _bundle.MapRootfs(100_000);
        Give(_volume, 7);
        Assert.Equal("7", _bundle.Shell("stat -c %u /v", spec => TestSpec.WithUserNamespace(spec).WithMount(Mount(["rbind", "idmap"]))));
        Assert.Equal("65534", _bundle.Shell("stat -c %u /v", spec => TestSpec.WithUserNamespace(spec).WithMount(Mount(["rbind"]))));
    }

    [Fact]
    [Sentence("config.md", "idmap-recursive")]
    public void The_recursive_form_reaches_the_mounts_below_and_the_plain_one_does_not()
    {
        var other = Path.Combine(_volume, "other");
        Directory.CreateDirectory(other);
        Give(other, 1000);
        Mounts.Bind(other, Path.Combine(_volume, "sub"));
        try
        {
            Assert.Equal("1000", _bundle.Shell("stat -c %u /v/sub", spec => spec.WithMount(Mount(["rbind", "idmap"], Map(1000, 5000, 2)))));
            Assert.Equal("5000", _bundle.Shell("stat -c %u /v/sub", spec => spec.WithMount(Mount(["rbind", "ridmap"], Map(1000, 5000, 2)))));
        }
        finally
        {
            Mounts.Unmount(Path.Combine(_volume, "sub"));
        }
    }

    [Fact]
    public void Read_only_holds_together_with_a_mapping() =>
        Assert.Contains("Read-only", _bundle.Run(_bundle.Spec("touch", "/v/x").WithMount(Mount(["bind", "idmap", "ro"], Map(1000, 5000, 2)))).Output, StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "idmap-nothing-to-map")]
    public void Without_any_mapping_it_is_refused()
    {
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(Mount(["bind", "idmap"]))));
        Assert.Equal(
            "mount on /v: idmap needs uidMappings and gidMappings, or a user namespace whose mappings are meant", error.Message);
    }

    [Fact]
    [Sentence("config.md", "idmap-both")]
    public void Users_without_groups_are_refused()
    {
        var mount = Mount(["bind", "idmap"], Map(0, 0, 1)) with { GidMappings = null };
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(mount)));
        Assert.Equal("mount on /v: uidMappings and gidMappings must be given together", error.Message);
    }

    [Fact]
    public void Only_bind_mounts_can_be_mapped()
    {
        var mount = Mount(["idmap"], Map(0, 0, 1)) with { Type = "tmpfs", Source = "tmpfs" };
        Assert.Contains("only bind mounts", Assert.Throws<RuntimeException>(() => _bundle.Create(_bundle.Spec("true").WithMount(mount))).Message, StringComparison.Ordinal);
    }
}
