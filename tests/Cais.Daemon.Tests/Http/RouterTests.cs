using Cais.Daemon.Endpoints;
using Cais.Daemon.Http;

namespace Cais.Daemon.Tests.Http;

public sealed class RouterTests
{
    private readonly Router _router = new();

    public RouterTests()
    {
        Map("GET", "/images/json");
        Map("GET", "/images/{name*}/json");
        Map("GET", "/images/{name*}/get");
        Map("GET", "/containers/{id}/json");
    }

    [Theory]
    [InlineData("/images/a/json", "a")]
    [InlineData("/images/host:5000/a/b:tag/json", "host:5000/a/b:tag")]
    [InlineData("/images/json/json", "json")]
    public void A_name_may_have_slashes(string path, string name) => Assert.Equal(name, _router.Find("GET", path, ApiVersion.Newest)!.Value.Values["name"]);

    [Theory]
    [InlineData("GET", "/images")]
    [InlineData("GET", "/images/x")]
    [InlineData("POST", "/images/json")]
    [InlineData("GET", "/containers/a/b/json")]
    [InlineData("GET", "/")]
    public void What_is_not_mapped_is_not_found(string method, string path) => Assert.Null(_router.Find(method, path, ApiVersion.Newest));

    [Fact]
    public void An_endpoint_has_a_first_version()
    {
        _router.Map("GET", "/new", _ => Task.CompletedTask, new ApiVersion(1, 44));
        Assert.Null(_router.Find("GET", "/new", new ApiVersion(1, 43)));
        Assert.NotNull(_router.Find("GET", "/new", new ApiVersion(1, 44)));
    }

    [Theory]
    [InlineData("/v1.47/info", "1.47", "/info")]
    [InlineData("/v1.5/x", "1.5", "/x")]
    public void A_version_prefix_is_taken_off(string path, string version, string rest)
    {
        Assert.True(ApiVersion.TryTakePrefix(path, out var found, out var left));
        Assert.Equal((version, rest), (found.ToString(), left));
    }

    [Theory]
    [InlineData("/info")]
    [InlineData("/volumes")]
    [InlineData("/v1.47")]
    [InlineData("/v1.x/info")]
    public void What_is_no_version_prefix_stays(string path) => Assert.False(ApiVersion.TryTakePrefix(path, out _, out _));

    [Theory]
    [InlineData("busy*", "busybox", true)]
    [InlineData("b?sybox", "busybox", true)]
    [InlineData("*", "a/b", false)]
    [InlineData("a/*", "a/b", true)]
    [InlineData("busybox", "busybox2", false)]
    public void A_pattern_does_not_cross_a_slash(string pattern, string text, bool matches) => Assert.Equal(matches, Glob.Matches(pattern, text));

    [Fact]
    public void Changes_are_read_as_in_a_dockerfile()
    {
        var config = Changes.Apply(["CMD [\"a\",\"b\"]", "ENV A=1 B=\"two words\"", "ENV C the rest", "EXPOSE 80 53/udp", "LABEL x=y", "USER app", "WORKDIR /w", "VOLUME /v", "ENTRYPOINT run it"])!;
        Assert.Equal(["a", "b"], config.Cmd);
        Assert.Equal(["A=1", "B=two words", "C=the rest"], config.Env);
        Assert.Equal(["80/tcp", "53/udp"], config.ExposedPorts!.Keys);
        Assert.Equal(["/bin/sh", "-c", "run it"], config.Entrypoint);
        Assert.Equal(("y", "app", "/w"), (config.Labels!["x"], config.User, config.WorkingDir));
    }

    [Fact]
    public void A_change_that_is_none_is_refused() => Assert.Equal("RUN is not a valid change command", Assert.Throws<Engine.EngineException>(() => Changes.Apply(["RUN x"])).Message);

    private void Map(string method, string pattern) => _router.Map(method, pattern, _ => Task.CompletedTask);
}
