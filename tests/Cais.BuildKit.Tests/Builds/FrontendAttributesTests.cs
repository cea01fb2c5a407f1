using Cais.Build.Language;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Grpc;

namespace Cais.BuildKit.Tests.Builds;

public sealed class FrontendAttributesTests
{
    [Fact]
    public void What_buildx_sends_is_understood()
    {
        var read = Read(
            ("filename", "Other.Dockerfile"), ("target", "final"), ("build-arg:A", "1"), ("label:l", "v"), ("platform", "linux/amd64,linux/arm64"), ("no-cache", "a,b"),
            ("add-hosts", "one=10.0.0.1,six=[::1]"), ("shm-size", "1048576"), ("ulimit", "nofile=10:20,nproc=5"), ("force-network-mode", "host"), ("image-resolve-mode", "pull"));
        var options = read.ToOptions();
        Assert.Equal("Other.Dockerfile", read.FileName);
        Assert.True(read.Pull);
        Assert.True(read.IsMultiPlatform);
        Assert.Equal(["linux/amd64", "linux/arm64"], read.Platforms.Select(p => p.ToString()));
        Assert.Equal("final", options.Target);
        Assert.Equal("1", options.Arguments["A"]);
        Assert.Equal("v", options.Labels["l"]);
        Assert.False(options.NoCache);
        Assert.Equal(["a", "b"], options.NoCacheStages);
        Assert.Equal(["one:10.0.0.1", "six:::1"], options.Surroundings.ExtraHosts);
        Assert.Equal(1048576, options.Surroundings.SharedMemory);
        Assert.Equal(["nofile=10:20", "nproc=5"], options.Surroundings.Ulimits);
        Assert.Equal(RunNetwork.Host, options.Network);
    }

    [Fact]
    public void Limits_of_commands_are_understood()
    {
        var read = Read(
            ("memory", "1"), ("memswap", "2"), ("cpushares", "3"), ("cpuperiod", "4"), ("cpuquota", "5"), ("cpusetcpus", "0-1"), ("cpusetmems", "0"), ("cgroup-parent", "/p"), ("hostname", "h"))
            .ToOptions().Surroundings;
        Assert.Equal((1, 2, 3, 4, 5), (read.Memory, read.MemoryAndSwap, read.CpuShares, read.CpuPeriod, read.CpuQuota));
        Assert.Equal(("0-1", "0", "/p", "h"), (read.CpuSet, read.MemoryNodes, read.CgroupParent, read.Hostname));
    }

    [Fact]
    public void Where_things_are_is_understood()
    {
        var read = Read(
            ("contextkey", "c"), ("dockerfilekey", "d"), ("contextsubdir", "sub"), ("context", "https://example.test/a.git"), ("local-sessionid:c", "other"), ("requestid", "frontend.lint"),
            ("context:base", "docker-image://b"), ("context:base::linux/arm64", "docker-image://c"));
        Assert.Equal(("c", "d", "sub"), (read.ContextDirectory, read.DockerfileDirectory, read.ContextSubdirectory));
        Assert.Equal(("https://example.test/a.git", "other", "frontend.lint"), (read.RemoteContext, read.SessionOf("c"), read.Subrequest));
        Assert.Equal(["base", "base::linux/arm64"], read.NamedContexts.Keys.Order());
    }

    [Fact]
    public void Caches_to_use_are_understood()
    {
        var read = Read(("cache-from", "one, two"), ("cache-imports", """[{"Type":"local","Attrs":{"src":"d"}}]"""));
        Assert.Equal(["registry one", "registry two", "local d"], read.CacheFrom.Select(c => $"{c.Type} {c.Attributes.Values.Single()}"));
    }

    [Fact]
    public void Statements_are_asked_for_by_options_and_by_arguments()
    {
        Assert.Equal(["type=sbom", "type=provenance,mode=max"], Read(("attest:sbom", ""), ("attest:provenance", "mode=max")).Attestations);
        Assert.Empty(Read(("attest:provenance", "mode=min,inline-only=true")).Attestations);
        Assert.Equal(
            ["type=sbom", "type=provenance,mode=max"], Read(("build-arg:BUILDKIT_ATTEST_SBOM", "true"), ("build-arg:BUILDKIT_ATTEST_PROVENANCE", "mode=max")).Attestations);
        Assert.Equal(["type=sbom,disabled=true"], Read(("build-arg:BUILDKIT_ATTEST_SBOM", "false")).Attestations);
    }

    [Theory]
    [InlineData("multi-platform")]
    [InlineData("build-arg:BUILDKIT_MULTI_PLATFORM")]
    public void One_platform_may_be_asked_for_as_several(string name)
    {
        Assert.True(Read((name, "1")).IsMultiPlatform);
        Assert.False(Read((name, "0")).IsMultiPlatform);
    }

    [Fact]
    public void What_clients_cannot_do_without_is_there_or_named()
    {
        Assert.Null(Read(("frontend.caps", "moby.buildkit.frontend.contexts+forward,moby.buildkit.frontend.subrequests")).MissingCapability);
        Assert.Equal("moby.buildkit.frontend.magic", Read(("frontend.caps", "moby.buildkit.frontend.contexts,moby.buildkit.frontend.magic+forward")).MissingCapability);
    }

    [Fact]
    public void No_cache_without_stages_means_all() => Assert.True(Read(("no-cache", "")).ToOptions().NoCache);

    [Theory]
    [InlineData("add-hosts", "nonsense")]
    [InlineData("shm-size", "much")]
    [InlineData("force-network-mode", "mine")]
    public void What_makes_no_sense_is_an_invalid_argument(string name, string value) =>
        Assert.Equal(GrpcStatusCode.InvalidArgument, Assert.Throws<GrpcException>(() => Read((name, value)).ToOptions()).Code);

    [Fact]
    public void A_platform_that_is_none_is_an_invalid_argument() =>
        Assert.Equal(GrpcStatusCode.InvalidArgument, Assert.Throws<GrpcException>(() => Read(("platform", "a/b/c/d")).Platforms).Code);

    private static FrontendAttributes Read(params (string Name, string Value)[] values) => new(values.ToDictionary(v => v.Name, v => v.Value));
}
