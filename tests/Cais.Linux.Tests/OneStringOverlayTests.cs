namespace Cais.Linux.Tests;

/// <summary>Overlays as kernels before 6.8 take them; newer ones take them so, too.</summary>
public sealed class OneStringOverlayTests
{
    private static List<KeyValuePair<string, string?>> Options(params (string Key, string? Value)[] options) =>
        [.. options.Select(option => new KeyValuePair<string, string?>(option.Key, option.Value))];

    [Fact]
    public void Paths_are_written_from_the_directory_that_all_are_in()
    {
        var overlay = OneStringOverlay.Of(Options(
            ("lowerdir+", "/data/layers/b"), ("lowerdir+", "/data/layers/a:x,y"), ("upperdir", "/data/one/fs"), ("workdir", "/data/one/work"), ("metacopy", "on"), ("volatile", null)));
        Assert.Equal("/data", overlay.Directory);
        Assert.Equal("lowerdir=layers/b:layers/a\\:x\\,y,upperdir=one/fs,workdir=one/work,metacopy=on,volatile", overlay.Data);
    }

    [Theory]
    [InlineData("/a/b", "/c/d", "/", "lowerdir=/a/b:/c/d")]
    [InlineData("/a/bc", "/a/b", "/a", "lowerdir=bc:b")]
    [InlineData("/a", "/a/b", "/", "lowerdir=/a:/a/b")]
    [InlineData("here", "/a/b", "/", "lowerdir=here:/a/b")]
    public void What_has_no_directory_in_common_keeps_its_path(string first, string second, string directory, string data) =>
        Assert.Equal(new OneStringOverlay(directory, data), OneStringOverlay.Of(Options(("lowerdir+", first), ("lowerdir+", second))));

    [Fact]
    [Trait("Tier", "integration")]
    public void The_mount_is_the_callers_alone_and_works()
    {
        var top = Path.Combine(Environment.GetEnvironmentVariable("CAIS_TEST_DISK") ?? "/var/tmp", $"overlay-{Environment.ProcessId}");
        try
        {
            var layers = Enumerable.Range(0, 60).Select(i => Path.Combine(top, "layers", $"a-layer-with-a-rather-long-name-{i}")).ToList();
            foreach (var directory in (string[])[.. layers, Path.Combine(top, "upper"), Path.Combine(top, "work"), Path.Combine(top, "target")])
            {
                Directory.CreateDirectory(directory);
            }

            File.WriteAllText(Path.Combine(layers[^1], "file"), "from below");
            var before = File.ReadAllText("/proc/self/mountinfo");
            using (var overlay = OneStringOverlay.Create(
                [.. layers.Select(layer => new KeyValuePair<string, string?>("lowerdir+", layer)), new("upperdir", Path.Combine(top, "upper")), new("workdir", Path.Combine(top, "work"))]))
            {
                Assert.Equal(before, File.ReadAllText("/proc/self/mountinfo"));
                Mounts.Attach(overlay, Path.Combine(top, "target"));
            }

            Assert.Equal("from below", File.ReadAllText(Path.Combine(top, "target", "file")));
            File.WriteAllText(Path.Combine(top, "target", "new"), "");
            Assert.True(File.Exists(Path.Combine(top, "upper", "new")));
            Mounts.Unmount(Path.Combine(top, "target"));
            var error = Assert.Throws<LinuxException>(() => OneStringOverlay.Create(Options(("lowerdir+", Path.Combine(top, "nonesuch")))));
            Assert.Equal(Errno.ENOENT, error.Errno);
            Assert.Contains("nonesuch", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Mounts.Unmount(Path.Combine(top, "target"), lazy: true);
            Directory.Delete(top, recursive: true);
        }
    }
}
