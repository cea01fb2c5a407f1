using Cais.Api;
using Cais.Engine.Containers;

namespace Cais.Engine.Tests.Containers;

public sealed class MountParserTests
{
    [Fact]
    public void A_bind_names_a_path_a_volume_a_name()
    {
        var bind = MountParser.Bind("/a/../b:/c/:ro,rslave", null);
        Assert.Equal(("bind", "/b", "/c", true, "rslave", true), (bind.Type, bind.Source, bind.Destination, bind.ReadOnly, bind.Propagation, bind.CreateSource));
        var volume = MountParser.Bind("data:/c:nocopy", null);
        Assert.Equal(("volume", "data", "/c", false), (volume.Type, volume.Name, volume.Destination, volume.CopyUp));
        Assert.True(MountParser.Bind("/only", null).Anonymous);
    }

    [Theory]
    [InlineData("a:b:c:d", "invalid volume specification: 'a:b:c:d'")]
    [InlineData(":/x", "invalid volume specification: ':/x'")]
    [InlineData("/a:/b:what", "invalid mode: what")]
    [InlineData("/a:/b:ro,rw", "invalid mode: ro,rw")]
    [InlineData("/a:b", "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute")]
    [InlineData("/a:/", "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'")]
    [InlineData("x/y:/b", "create x/y: \"x/y\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path")]
    public void A_wrong_bind_is_refused_in_dockers_words(string text, string message) =>
        Assert.Equal(message, Assert.Throws<EngineException>(() => MountParser.Bind(text, null)).Message);

    [Theory]
    [InlineData("bind", "", "/t", "invalid mount config for type \"bind\": field Source must not be empty")]
    [InlineData("bind", "/no/such/path", "/t", "invalid mount config for type \"bind\": bind source path does not exist: /no/such/path")]
    [InlineData("bind", "/tmp", "", "invalid mount config for type \"bind\": field Target must not be empty")]
    [InlineData("bind", "/tmp", "t", "invalid mount config for type \"bind\": invalid mount path: 't' mount path must be absolute")]
    [InlineData("tmpfs", "/tmp", "/t", "invalid mount config for type \"tmpfs\": field Source must not be specified")]
    [InlineData("what", "/tmp", "/t", "invalid mount config for type \"what\": mount type unknown")]
    public void A_wrong_mount_is_refused_in_dockers_words(string type, string source, string target, string message) =>
        Assert.Equal(message, Assert.Throws<EngineException>(() => Parse(new HostConfig { Mounts = [new MountSpec { Type = type, Source = source, Target = target }] })).Message);

    public static TheoryData<string, MountSpec> Conflicting => new()
    {
        { "mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive", new MountSpec { Type = "bind", Source = "/tmp", Target = "/t", BindOptions = new() { ReadOnlyNonRecursive = true } } },
        { "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive", new MountSpec { Type = "bind", Source = "/tmp", Target = "/t", BindOptions = new() { ReadOnlyForceRecursive = true } } },
        { "field VolumeOptions must not be specified", new MountSpec { Type = "image", Source = "i", Target = "/t", VolumeOptions = new() } },
        { "subpath must be a relative path within the image", new MountSpec { Type = "image", Source = "i", Target = "/t", ImageOptions = new() { Subpath = "../x" } } },
        { "subpath must be a relative path within the volume", new MountSpec { Type = "volume", Source = "vv", Target = "/t", VolumeOptions = new() { Subpath = "a/../../x" } } },
        { "must not set Subpath when using anonymous volumes", new MountSpec { Type = "volume", Target = "/t", VolumeOptions = new() { Subpath = "a" } } },
        { "named pipes are of Windows and do not exist on linux", new MountSpec { Type = "npipe", Source = "x", Target = "/t" } },
        { "cluster volumes need a swarm manager: this engine is not part of a swarm", new MountSpec { Type = "cluster", Source = "x", Target = "/t" } },
    };

    [Theory]
    [MemberData(nameof(Conflicting))]
    public void Options_that_contradict_one_another_are_refused(string why, MountSpec mount) =>
        Assert.Equal(
            $"invalid mount config for type \"{mount.Type}\": {why}",
            Assert.Throws<EngineException>(() => Parse(new HostConfig { Mounts = [mount] })).Message);

    [Fact]
    public void An_image_is_mounted_read_only()
    {
        var mount = Assert.Single(Parse(new HostConfig { Mounts = [new MountSpec { Type = "image", Source = "tool:1", Target = "/t", ImageOptions = new() { Subpath = "usr" } }] }));
        Assert.Equal(("image", "tool:1", "/t", true, "usr"), (mount.Type, mount.Source, mount.Destination, mount.ReadOnly, mount.Subpath));
    }

    [Fact]
    public void Words_that_tmpfs_does_not_know_are_refused()
    {
        Assert.Equal(["rw", "size=1m", "exec"], Assert.Single(Parse(new HostConfig { Tmpfs = new Dictionary<string, string> { ["/t"] = "rw,size=1m,exec" } })).TmpfsOptions);
        Assert.Equal(
            "invalid tmpfs option [\"fast\" \"colour=red\"]",
            Assert.Throws<EngineException>(() => Parse(new HostConfig { Tmpfs = new Dictionary<string, string> { ["/t"] = "fast,colour=red" } })).Message);
    }

    [Fact]
    public void A_place_may_not_be_mounted_twice() =>
        Assert.Equal("Duplicate mount point: /x", Assert.Throws<EngineException>(() => Parse(new HostConfig { Binds = ["/a:/x", "b1:/x"] })).Message);

    [Fact]
    public void What_is_asked_for_replaces_the_images_volume()
    {
        var config = new ContainerConfig { Volumes = new Dictionary<string, IReadOnlyDictionary<string, System.Text.Json.JsonElement>?> { ["/data"] = null, ["/more"] = null } };
        var mounts = MountParser.Parse(config, new HostConfig { Binds = ["/host:/data"] }, _ => throw new InvalidOperationException());
        Assert.Equal(["bind /data", "volume /more"], mounts.Select(m => $"{m.Type} {m.Destination}"));
    }

    [Fact]
    public void A_tmpfs_takes_size_mode_and_flags()
    {
        var mount = Assert.Single(Parse(new HostConfig
        {
            Mounts = [new MountSpec { Type = "tmpfs", Target = "/t", TmpfsOptions = new MountSpecTmpfsOptions { SizeBytes = 1024, Mode = 0x3ff, Options = [["exec"]] } }],
        }));
        Assert.Equal(["mode=1777", "size=1024", "exec"], mount.TmpfsOptions);
    }

    private static IReadOnlyList<MountRecord> Parse(HostConfig host) => MountParser.Parse(new ContainerConfig(), host, _ => throw new InvalidOperationException());
}
