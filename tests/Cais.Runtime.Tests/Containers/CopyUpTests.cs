using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>The option tmpcopyup: a tmpfs that begins with what it covers.</summary>
[Trait("Tier", "integration")]
public sealed class CopyUpTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public CopyUpTests()
    {
        var data = Path.Combine(_bundle.Rootfs, "data");
        Directory.CreateDirectory(Path.Combine(data, "deep/er"));
        File.WriteAllText(Path.Combine(data, "deep/er/file"), "content\n");
        File.SetUnixFileMode(Path.Combine(data, "deep/er/file"), (UnixFileMode)0x1a0);
        File.CreateSymbolicLink(Path.Combine(data, "link"), "/etc/passwd");
        File.CreateSymbolicLink(Path.Combine(data, "out"), "../../../../../../../etc");
        Files.MakeFifo(Path.Combine(data, "fifo"), 0x180);
        using var directory = Files.Open(Path.Combine(data, "deep"), OpenFlags.ReadOnly);
        Files.ChangeOwner(directory, 1000, 1001);
    }

    public void Dispose() => _bundle.Dispose();

    private static Mount Tmpfs(params string[] options) =>
        new() { Destination = "/data", Type = "tmpfs", Source = "tmpfs", Options = ["tmpcopyup", .. options] };

    [Fact]
    public void Files_directories_links_owners_and_modes_are_there_and_the_image_stays_as_it_was()
    {
        var text = _bundle.Shell(
            "cat /data/deep/er/file; stat -c %a:%u:%g /data/deep/er/file /data/deep; readlink /data/link; readlink /data/out; stat -c %F /data/fifo; echo new > /data/new; stat -f -c %T /data",
            spec => spec.WithMount(Tmpfs()));
        Assert.Equal("content\n640:0:0\n755:1000:1001\n/etc/passwd\n../../../../../../../etc\nfifo\ntmpfs", text);
        Assert.False(File.Exists(Path.Combine(_bundle.Rootfs, "data/new")));
    }

    [Fact]
    public void A_mode_that_is_told_and_read_only_hold()
    {
        var text = _bundle.Shell("stat -c %a /data; cat /data/deep/er/file; touch /data/x 2>&1 || true", spec => spec.WithMount(Tmpfs("mode=711", "ro")));
        Assert.StartsWith("711\ncontent\n", text, StringComparison.Ordinal);
        Assert.Contains("Read-only", text, StringComparison.Ordinal);
    }

    [Fact]
    public void In_a_user_namespace_files_go_to_those_who_exist_there()
    {
        _bundle.MapRootfs(100_000);
        using (var file = Files.Open(Path.Combine(_bundle.Rootfs, "data/deep/er"), OpenFlags.ReadOnly))
        {
            Files.ChangeOwner(file, 100_007, 100_008);
        }

        Assert.Equal("755:0:0\n755:0:0\n755:7:8\n640:0:0\ncontent", _bundle.Shell(
            "stat -c %a:%u:%g /data /data/deep /data/deep/er /data/deep/er/file; cat /data/deep/er/file", spec => TestSpec.WithUserNamespace(spec).WithMount(Tmpfs())));
    }

    [Fact]
    public void Without_the_option_a_tmpfs_begins_empty() =>
        Assert.Equal("", _bundle.Shell("ls /data", spec => spec.WithMount(new Mount { Destination = "/data", Type = "tmpfs", Source = "tmpfs" })));
}
