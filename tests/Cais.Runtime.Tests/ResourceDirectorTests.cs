using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;

namespace Cais.Runtime.Tests;

/// <summary>Intel RDT, on a directory that stands in for resctrl: the machines that have it are rare.</summary>
public sealed class ResourceDirectorTests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("cais-rt-").FullName;

    public void Dispose() => Directory.Delete(_top, recursive: true);

    private string Class(string name, string? schemata = null)
    {
        var directory = Path.Combine(_top, name);
        Directory.CreateDirectory(Path.Combine(directory, "mon_groups"));
        File.WriteAllText(Path.Combine(directory, "schemata"), schemata ?? "");
        File.WriteAllText(Path.Combine(directory, "tasks"), "");
        return directory;
    }

    private ResourceDirector Prepare(IntelRdt wanted) => ResourceDirector.Prepare(wanted, "box", _top);

    [Fact]
    [Sentence("config-linux.md", "rdt-not-mounted")]
    public void Without_resctrl_it_is_an_error_that_says_what_is_missing()
    {
        var error = Assert.Throws<RuntimeException>(() => ResourceDirector.Prepare(new IntelRdt(), "box", null));
        Assert.Contains("no resctrl filesystem is mounted", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-not-set")]
    [Sentence("config-linux.md", "rdt-no-schema")]
    public void What_is_not_asked_for_is_not_touched()
    {
        Assert.Null(ResourceDirector.Prepare(null, "box"));
        Prepare(new IntelRdt());
        Assert.Equal([Path.Combine(_top, "box")], Directory.GetFileSystemEntries(_top));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_top, "box")));
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-container-id")]
    [Sentence("config-linux.md", "rdt-class-removed")]
    public void Without_a_name_the_class_is_the_containers_own_and_goes_with_it()
    {
        var director = Prepare(new IntelRdt());
        Assert.True(Directory.Exists(Path.Combine(_top, "box")));
        ResourceDirector.Remove(director.Own);
        Assert.False(Directory.Exists(Path.Combine(_top, "box")));
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-class-stays")]
    public void A_class_that_was_there_or_has_a_name_stays()
    {
        Class("box");
        Assert.Empty(Prepare(new IntelRdt()).Own);
        Class("gold", "L3:0=1\n");
        Assert.Empty(Prepare(new IntelRdt { ClosId = "gold", L3CacheSchema = "L3:0=1" }).Own);
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-default-class")]
    public void A_slash_is_the_class_of_all_that_have_none()
    {
        ResourceDirector.Validate(new IntelRdt { ClosId = "/" });
        var director = Prepare(new IntelRdt { ClosId = "/" });
        Assert.Equal([_top], director.Groups);
        Assert.Empty(director.Own);
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-monitoring-group")]
    [Sentence("config-linux.md", "rdt-monitoring-removed")]
    public void A_monitoring_group_is_made_below_the_class_and_goes_with_the_container()
    {
        var group = Path.Combine(Class("gold"), "mon_groups", "box");
        var director = Prepare(new IntelRdt { ClosId = "gold", EnableMonitoring = true });
        Assert.True(Directory.Exists(group));
        Assert.Equal([group], director.Own);
        ResourceDirector.Remove(director.Own);
        Assert.False(Directory.Exists(group));
        Assert.True(Directory.Exists(Path.Combine(_top, "gold")));
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-monitoring-fails")]
    public void Without_room_for_a_monitoring_group_it_is_an_error_and_the_class_is_undone()
    {
        // Only the kernel makes mon_groups: here it is missing in the new class.
        Assert.Contains("mon_groups/box", Assert.Throws<Cais.Linux.LinuxException>(() => Prepare(new IntelRdt { EnableMonitoring = true })).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(_top, "box")));
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-task")]
    public void Processes_enter_the_class_and_the_monitoring_group()
    {
        var directory = Class("gold");
        Directory.CreateDirectory(Path.Combine(directory, "mon_groups/box"));
        File.WriteAllText(Path.Combine(directory, "mon_groups/box/tasks"), "");
        var director = Prepare(new IntelRdt { ClosId = "gold", EnableMonitoring = true });
        ResourceDirector.Enter(director.Groups, 4711);
        Assert.Equal("4711", File.ReadAllText(Path.Combine(directory, "tasks")));
        Assert.Equal("4711", File.ReadAllText(Path.Combine(directory, "mon_groups/box/tasks")));
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-preconfigured")]
    public void A_class_by_name_alone_must_be_there()
    {
        Assert.Contains("no such class", Assert.Throws<RuntimeException>(() => Prepare(new IntelRdt { ClosId = "gold" })).Message, StringComparison.Ordinal);
        Class("gold");
        var director = Prepare(new IntelRdt { ClosId = "gold" });
        Assert.Equal([Path.Combine(_top, "gold")], director.Groups);
        Assert.Empty(director.Own);
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-combined")]
    [Sentence("config-linux.md", "rdt-schemata-last")]
    public void Schemas_are_put_together_in_order() =>
        Assert.Equal(
            ["L3:0=7f0;1=1f", "MB:0=20;1=70", "L2:0=f", "MB:1=50"],
            ResourceDirector.Schemata(new IntelRdt
            {
                L3CacheSchema = "L3:0=7f0;1=1f\nMB:0=99",
                MemBwSchema = "MB:0=20;1=70",
                Schemata = ["L2:0=f", "MB:1=50"],
            }));

    [Fact]
    [Sentence("config-linux.md", "rdt-exists")]
    public void A_class_that_others_use_must_be_the_same()
    {
        Class("gold", "    L3:0=7f0;1=01f\n    MB:0=100\n");
        Prepare(new IntelRdt { ClosId = "gold", L3CacheSchema = "L3:0=7f0;1=1f" });
        Prepare(new IntelRdt { ClosId = "gold", Schemata = ["L3:1=1f"] });
        Assert.Contains(
            "exists already, with another schema",
            Assert.Throws<RuntimeException>(() => Prepare(new IntelRdt { ClosId = "gold", L3CacheSchema = "L3:0=1" })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("config-linux.md", "rdt-created")]
    [Sentence("config-linux.md", "rdt-schema-written")]
    public void A_class_that_is_missing_is_made_and_its_schema_written()
    {
        // Only the kernel puts files into a new class: here the write finds none, which shows where it goes, and nothing is left.
        var error = Assert.Throws<Cais.Linux.LinuxException>(() => Prepare(new IntelRdt { ClosId = "new", L3CacheSchema = "L3:0=1" }));
        Assert.Contains($"{_top}/new/schemata", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(_top, "new")));
    }

    [Theory]
    [InlineData("MB")]
    [InlineData("L3:0=1")]
    [InlineData("MB:0=1\nL3:0=1")]
    [Sentence("config-linux.md", "rdt-mb-format")]
    public void A_bandwidth_schema_of_another_form_is_refused(string schema) =>
        Assert.Throws<RuntimeException>(() => ResourceDirector.Validate(new IntelRdt { MemBwSchema = schema }));

    [Fact]
    [Sentence("config-linux.md", "rdt-schemata-lines")]
    public void An_entry_of_schemata_is_one_line() =>
        Assert.Throws<RuntimeException>(() => ResourceDirector.Validate(new IntelRdt { Schemata = ["L3:0=1\nMB:0=1"] }));

    [Theory]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("info")]
    public void Names_that_are_no_class_are_refused(string name) =>
        Assert.Throws<RuntimeException>(() => ResourceDirector.Validate(new IntelRdt { ClosId = name }));
}
