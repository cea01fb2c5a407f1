using Cais.Engine.Specs;

namespace Cais.Engine.Tests;

/// <summary>A machine of which everything is known.</summary>
internal static class TestHost
{
    public static readonly EngineOptions Options = new() { Root = "/var/lib/cais", RunDirectory = "/run/cais" };

    public static readonly HostFacts Facts = new()
    {
        Kernel = "6.18.0",
        Architecture = "amd64",
        CgroupVersion = 2,
        LastCapability = 40,
        Processors = 2,
        Memory = 4L << 30,
        Hostname = "host",
        OperatingSystem = "Test",
        OperatingSystemVersion = "1",
        HasSeccomp = true,
        OnlineCpus = new HashSet<int> { 0, 1 },
    };
}
