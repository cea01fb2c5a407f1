using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Mounts that come and go while the container runs.</summary>
[Trait("Tier", "integration")]
public sealed class MountChangeTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly string _data;

    public MountChangeTests()
    {
        _data = Path.Combine(_bundle.Directory, "data");
        Directory.CreateDirectory(_data);
        File.WriteAllText(Path.Combine(_data, "mark"), "outside");
    }

    public void Dispose() => _bundle.Dispose();

    private Container Start()
    {
        var container = _bundle.Create(_bundle.Spec("sleep", "1000"));
        container.Start();
        return container;
    }

    private Mount Bind(string destination, params string[] options) =>
        new() { Source = _data, Destination = destination, Type = "bind", Options = ["rbind", .. options] };

    [Fact]
    public void A_directory_of_the_host_appears_and_disappears()
    {
        using var container = Start();
        container.AddMounts([Bind("/late/data", "ro"), Bind("/tmp")]);
        Assert.Equal("outside", TestBundle.Exec(container, "cat", "/late/data/mark").Output);
        Assert.Contains("Read-only", TestBundle.Exec(container, "touch", "/late/data/new").Output, StringComparison.Ordinal);
        Assert.Equal("", TestBundle.Exec(container, "touch", "/tmp/new").Output);
        Assert.DoesNotContain("/late/data", File.ReadAllText("/proc/self/mountinfo"), StringComparison.Ordinal);
        container.RemoveMounts([new Mount { Destination = "/late/data" }]);
        Assert.Equal("", TestBundle.Exec(container, "ls", "/late/data").Output);
        Assert.True(File.Exists(Path.Combine(_data, "new")));
    }

    [Fact]
    public void A_file_and_a_filesystem_can_be_mounted_too()
    {
        using var container = Start();
        container.AddMounts(
        [
            new Mount { Source = Path.Combine(_data, "mark"), Destination = "/etc/mark", Options = ["bind"] },
            new Mount { Source = "tmpfs", Destination = "/scratch", Type = "tmpfs", Options = ["size=64k", "mode=700"] },
        ]);
        Assert.Equal("outside", TestBundle.Exec(container, "cat", "/etc/mark").Output);
        Assert.Equal("tmpfs 700\n", TestBundle.Exec(container, "sh", "-c", "echo $(stat -f -c %T /scratch) $(stat -c %a /scratch)").Output);
        container.RemoveMounts([new Mount { Destination = "/etc/mark" }, new Mount { Destination = "/scratch" }]);
        Assert.Equal("", TestBundle.Exec(container, "cat", "/etc/mark").Output);
    }

    [Fact]
    public void A_link_of_the_containers_leads_neither_mounts_nor_removals_out()
    {
        using var container = Start();
        TestBundle.Exec(container, "sh", "-c", $"mkdir -p {_data}; ln -s ../../../../..{_data} /out; ln -s /proc/1/attr /deep");
        container.AddMounts([Bind("/out")]);
        Assert.Equal(["mark"], Directory.GetFileSystemEntries(_data).Select(Path.GetFileName));
        Assert.Contains("inside /proc", Assert.Throws<RuntimeException>(() => container.AddMounts([Bind("/deep")])).Message, StringComparison.Ordinal);
        Assert.Throws<RuntimeException>(() => container.RemoveMounts([new Mount { Destination = "/out" }]));
    }

    [Fact]
    public void What_cannot_be_done_is_told()
    {
        using var container = Start();
        var missing = Assert.ThrowsAny<Exception>(() => container.AddMounts([Bind("/x") with { Source = "/nonesuch" }]));
        Assert.Contains("/nonesuch", missing.Message, StringComparison.Ordinal);
        Assert.Contains("/tmp", Assert.Throws<RuntimeException>(() => container.RemoveMounts([new Mount { Destination = "/tmp" }])).Message, StringComparison.Ordinal);
        Assert.Throws<RuntimeException>(() => container.AddMounts([Bind("/")]));
        Assert.Throws<RuntimeException>(() => container.AddMounts([new Mount { Destination = "/cg", Type = "cgroup", Source = "cgroup" }]));
    }

    [Fact]
    public void The_command_reads_a_list_or_a_configuration()
    {
        var runtime = (string[])["--root", _bundle.Runtime.StateRoot, "mounts"];
        using var container = Start();
        var file = Path.Combine(_bundle.Directory, "mounts.json");
        File.WriteAllText(file, $$"""{"mounts": [{"source": "{{_data}}", "destination": "/late", "options": ["bind"]}]}""");
        Assert.Equal(new Ended(0, "", ""), RuntimeProgram.Run([.. runtime, "add", _bundle.Id, file]));
        Assert.Equal("outside", TestBundle.Exec(container, "cat", "/late/mark").Output);
        File.WriteAllText(file, """[{"destination": "/late"}]""");
        Assert.Equal(new Ended(0, "", ""), RuntimeProgram.Run([.. runtime, "remove", _bundle.Id, file]));
        Assert.Equal("", TestBundle.Exec(container, "ls", "/late").Output);
        Assert.Equal(1, RuntimeProgram.Run([.. runtime, "move", _bundle.Id, file]).Code);
        Assert.Equal(1, RuntimeProgram.Run([.. runtime, "remove", _bundle.Id, file]).Code);
    }
}
