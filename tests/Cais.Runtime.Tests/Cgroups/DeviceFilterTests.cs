using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Tests.Specification;

namespace Cais.Runtime.Tests.Cgroups;

/// <summary>Device rules as a program in the kernel, on whatever cgroup v2 hierarchy is mounted here.</summary>
[Trait("Tier", "integration")]
public sealed class DeviceFilterTests : IDisposable
{
    private readonly string? _cgroup;

    public DeviceFilterTests()
    {
        foreach (var hierarchy in CgroupLayout.Detect().Hierarchies)
        {
            if (hierarchy.IsUnified)
            {
                _cgroup = Path.Combine(hierarchy.MountPoint, $"cais-rt-devices-{Environment.ProcessId}");
                Directory.CreateDirectory(_cgroup);
            }
        }
    }

    public void Dispose()
    {
        if (_cgroup is not null)
        {
            Directory.Delete(_cgroup);
        }
    }

    private static DeviceRule Rule(bool allow, string? type = null, long? major = null, long? minor = null, string? access = null) =>
        new() { Allow = allow, Type = type, Major = major, Minor = minor, Access = access };

    /// <summary>What a process under these rules can do with /dev/zero (1:5) and /dev/full (1:7): r and w, or - each.</summary>
    private string Try(params DeviceRule[] rules)
    {
        Assert.SkipWhen(_cgroup is null, "no cgroup v2 hierarchy is mounted here");
        DeviceFilter.Attach(_cgroup, rules);
        var script = $"""
            echo $$ > {_cgroup}/cgroup.procs
            for d in zero full; do
              (: < /dev/$d) 2>&- && printf r || printf -- -
              (: > /dev/$d) 2>&- && printf w || printf -- -
            done
            """;
        using var process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    [Fact]
    public void Nothing_is_allowed_that_no_rule_allows()
    {
        Assert.Equal("----", Try(Rule(false)));
        Assert.Equal("rw--", Try(Rule(false), Rule(true, "c", 1, 5)));
        Assert.Equal("r---", Try(Rule(false), Rule(true, "c", 1, 5, "r")));
        Assert.Equal("rwrw", Try(Rule(false), Rule(true, "c", 1)));
        Assert.Equal("----", Try(Rule(false), Rule(true, "b", 1)));
        Assert.Equal("rwrw", Try(Rule(true)));
    }

    [Fact]
    [Sentence("config-linux.md", "device-rules-order")]
    public void The_last_rule_that_matches_decides()
    {
        Assert.Equal("rw--", Try(Rule(true), Rule(false, "c", 1, 7)));
        Assert.Equal("rwrw", Try(Rule(false, "c", 1, 7), Rule(true)));
        Assert.Equal("-w--", Try(Rule(false), Rule(true, "c", 1, 5), Rule(false, "c", 1, 5, "r")));
    }

    [Fact]
    public void A_new_program_takes_the_place_of_the_old_one()
    {
        Assert.Equal("----", Try(Rule(false)));
        Assert.Equal("rwrw", Try(Rule(true)));
    }
}
