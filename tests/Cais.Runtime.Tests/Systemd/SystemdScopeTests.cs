using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Systemd;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Systemd;

/// <summary>What is asked of systemd. That a real one does it is seen in test/vm.</summary>
[Collection(nameof(Alone))]
public sealed class SystemdScopeTests
{
    private static readonly LinuxResources Limits = new()
    {
        Memory = new MemoryResources { Limit = 64 << 20, Swap = 96 << 20, Reservation = 32 << 20 },
        Cpu = new CpuResources { Shares = 512, Quota = 25_000, Period = 50_000, Cpus = "0-1" },
        Pids = new PidsResources { Limit = 50 },
    };

    [Theory]
    [InlineData("machine.slice:libpod:abc", "machine.slice", "libpod-abc.scope")]
    [InlineData(":docker:abc", "system.slice", "docker-abc.scope")]
    [InlineData("a-b.slice::abc", "a-b.slice", "abc.scope")]
    [InlineData("system.slice:x:mine.slice", "system.slice", "mine.slice")]
    [InlineData(null, "system.slice", "cais-id.scope")]
    public void The_path_names_slice_and_unit(string? path, string slice, string unit) =>
        Assert.Equal(new SystemdScope(slice, unit), SystemdScope.Parse(path, "id"));

    [Theory]
    [InlineData("/a/path")]
    [InlineData("a:b")]
    [InlineData("notaslice:b:c")]
    [InlineData("a.slice:b:")]
    public void Another_form_is_refused(string path) =>
        Assert.Equal(RuntimeError.InvalidConfig, Assert.Throws<RuntimeException>(() => SystemdScope.Parse(path, "id")).Error);

    [Fact]
    public void A_scope_is_asked_for_with_its_slice_its_process_and_its_limits()
    {
        using var systemd = new FakeSystemd("/machine.slice/libpod-abc.scope");
        var path = SystemdScope.Parse("machine.slice:libpod:abc", "id").Start("id", Limits, unified: true, out var placeholder);
        placeholder.Dispose();
        Assert.Equal("/machine.slice/libpod-abc.scope", path);
        Assert.Equal(["Hello", "Subscribe", "AddMatch", "StartTransientUnit", "GetUnit", "Get"], systemd.Calls.Select(call => call.Member));
        var reader = new BusReader(systemd.Body("StartTransientUnit"));
        Assert.Equal("libpod-abc.scope", reader.String());
        Assert.Equal("replace", reader.String());
        var properties = FakeSystemd.Properties(ref reader);
        Assert.Equal("machine.slice", properties["Slice"]);
        Assert.Equal("true", properties["Delegate"]);
        Assert.Equal("false", properties["DefaultDependencies"]);
        Assert.True(int.Parse(properties["PIDs"], System.Globalization.CultureInfo.InvariantCulture) > 1);
        Assert.Equal("67108864", properties["MemoryMax"]);
        Assert.Equal("33554432", properties["MemoryLow"]);
        Assert.Equal("33554432", properties["MemorySwapMax"]);
        Assert.Equal("20", properties["CPUWeight"]);
        Assert.Equal("500000", properties["CPUQuotaPerSecUSec"]);
        Assert.Equal("50000", properties["CPUQuotaPeriodUSec"]);
        Assert.Equal("03", properties["AllowedCPUs"]);
        Assert.Equal("50", properties["TasksMax"]);
        foreach (var account in (string[])["MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"])
        {
            Assert.Equal("true", properties[account]);
        }
    }

    [Fact]
    public void On_cgroup_v1_the_properties_have_their_older_names()
    {
        using var systemd = new FakeSystemd("/system.slice/x.scope");
        SystemdScope.Parse(":: x".Replace(" ", "", StringComparison.Ordinal), "id").Start("id", Limits, unified: false, out var placeholder);
        placeholder.Dispose();
        var reader = new BusReader(systemd.Body("StartTransientUnit"));
        reader.String();
        reader.String();
        var properties = FakeSystemd.Properties(ref reader);
        Assert.Equal("67108864", properties["MemoryLimit"]);
        Assert.Equal("512", properties["CPUShares"]);
        Assert.Equal("true", properties["BlockIOAccounting"]);
        Assert.DoesNotContain("AllowedCPUs", properties.Keys);
    }

    [Fact]
    public void A_job_that_fails_is_told_and_nothing_waits_on()
    {
        using var systemd = new FakeSystemd("/x", result: "failed");
        var failure = Assert.Throws<RuntimeException>(() => SystemdScope.Parse("a.slice:b:c", "id").Start("id", null, unified: true, out _));
        Assert.Contains("b-c.scope", failure.Message, StringComparison.Ordinal);
        Assert.Contains("failed", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_systemd_the_error_says_so()
    {
        Environment.SetEnvironmentVariable("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonesuch");
        try
        {
            var failure = Assert.Throws<RuntimeException>(() => SystemdScope.Parse("a.slice:b:c", "id").Start("id", null, unified: true, out _));
            Assert.Contains("/nonesuch", failure.Message, StringComparison.Ordinal);
            Assert.Contains("Is this host run by systemd?", failure.Message, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("DBUS_SYSTEM_BUS_ADDRESS", null);
        }
    }

    [Fact]
    [Trait("Tier", "integration")]
    public void A_container_lives_in_its_scope_is_updated_there_and_takes_it_along()
    {
        using var bundle = new TestBundle();
        var group = $"/cais-rt-tests/{bundle.Id}.scope";
        using var systemd = new FakeSystemd(group);
        var spec = bundle.Spec("sleep", "1000");
        using var container = bundle.Create(
            spec with { Linux = spec.Linux! with { CgroupsPath = $":cais:{bundle.Id}", Resources = Limits with { Cpu = null, Memory = null } } },
            change: request => request with { SystemdCgroup = true });
        container.Start();
        Assert.Contains(group, File.ReadAllText($"/proc/{container.Pid}/cgroup"), StringComparison.Ordinal);
        container.Update(new LinuxResources { Pids = new PidsResources { Limit = 20 } });
        var reader = new BusReader(systemd.Body("SetUnitProperties"));
        Assert.Equal($"{bundle.Id}.scope", reader.String());
        reader.UInt32();
        Assert.Equal("20", FakeSystemd.Properties(ref reader)["TasksMax"]);
        container.Delete(force: true);
        Pidfd.TryWait(container.PidFd!);
        Assert.Equal($"{bundle.Id}.scope", new BusReader(systemd.Body("StopUnit")).String());
    }

    [Fact]
    public void Lists_of_cpus_become_bits()
    {
        Assert.Equal([0x87], SystemdProperties.Bits("0-2,7"));
        Assert.Equal([0, 1], SystemdProperties.Bits("8"));
        Assert.Throws<RuntimeException>(() => SystemdProperties.Bits("many"));
    }
}
