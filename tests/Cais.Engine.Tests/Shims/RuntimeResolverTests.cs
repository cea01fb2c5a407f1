using Cais.Engine.Shims;

namespace Cais.Engine.Tests.Shims;

public sealed class RuntimeResolverTests
{
    [Theory]
    [InlineData("io.containerd.kata.v2", "containerd-shim-kata-v2")]
    [InlineData("com.example.runsc.v1", "containerd-shim-runsc-v1")]
    [InlineData("plain", null)]
    [InlineData("a.", null)]
    public void A_shim_is_called_by_the_last_two_parts_of_its_name(string type, string? program) => Assert.Equal(program, RuntimeResolver.ProgramOf(type));

    [Fact]
    public void A_runtime_is_ours_or_a_program_or_a_shim()
    {
        var directory = Directory.CreateTempSubdirectory("runtimes-").FullName;
        try
        {
            var shim = Path.Combine(directory, "containerd-shim-my-v2");
            var runtime = Path.Combine(directory, "runthis");
            File.WriteAllText(shim, "");
            File.WriteAllText(runtime, "");
            var options = TestHost.Options with
            {
                Runtimes = new Dictionary<string, RuntimeChoice>
                {
                    ["byPath"] = new() { Path = runtime, Arguments = ["--debug"] },
                    ["byType"] = new() { Type = shim, ConfigPath = "/etc/my.toml" },
                    ["gone"] = new() { Type = "io.containerd.nosuch.v9" },
                },
            };
            Assert.Equal((null, null), Of("cais", options));
            Assert.Equal((null, runtime), Of("byPath", options));
            Assert.Equal((shim, null), Of("byType", options));
            Assert.Equal((shim, null), Of(shim, options));
            Assert.Equal((null, runtime), Of(runtime, options));
            Assert.Null(RuntimeResolver.Resolve("gone", options));
            Assert.Null(RuntimeResolver.Resolve("nosuch", options));
            Assert.Null(RuntimeResolver.Resolve("/no/such/file", options));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }

        static (string? Shim, string? Program) Of(string name, EngineOptions options) =>
            RuntimeResolver.Resolve(name, options) is { } found ? (found.Shim, found.Program) : throw new InvalidOperationException(name);
    }

    [Theory]
    [InlineData("unix:///run/containerd/s/abc\n", "/run/containerd/s/abc", "containerd.task.v2.Task")]
    [InlineData("""{"version":3,"address":"unix:///run/s","protocol":"ttrpc"}""", "/run/s", "containerd.task.v3.Task")]
    [InlineData("""{"version":2,"address":"unix:///run/s"}""", "/run/s", "containerd.task.v2.Task")]
    [InlineData("""{"version":3,"address":"unix:///run/s","protocol":"grpc"}""", null, null)]
    [InlineData("panic: oh no", null, null)]
    [InlineData("{", null, null)]
    [InlineData("", null, null)]
    public void A_shim_says_where_it_listens(string said, string? socket, string? service)
    {
        var address = ForeignShims.AddressOf(said);
        Assert.Equal((socket, service), (address?.Socket, address?.Service));
    }
}
