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
