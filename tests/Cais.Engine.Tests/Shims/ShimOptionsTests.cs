using Cais.Engine.Shims;
using Containerd.Runc.V1;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Tests.Shims;

/// <summary>gVisor's shim refuses runc's options, and Kata's and runc's know nothing of each other's.</summary>
public sealed class ShimOptionsTests
{
    private static readonly RuntimeChoice Configured = new()
    {
        TypeUrl = "io.containerd.runsc.v1.options",
        ConfigPath = "/etc/runsc.toml",
        ConfigBody = "a=1"u8.ToArray(),
        BinaryName = "/bin/other",
        Root = "/run/other",
        SystemdCgroup = true,
        NoPivotRoot = true,
        NoNewKeyring = true,
    };

    private static Any? Of(ResolvedRuntime runtime) => ShimOptions.Of("name/x", runtime, TestHost.Options);

    private static Options Runc(ResolvedRuntime runtime)
    {
        var any = Of(runtime)!;
        Assert.Equal("containerd.runc.v1.Options", any.TypeUrl);
        return Options.Parser.ParseFrom(any.Value);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("io.containerd.kata.v2")]
    [InlineData("/opt/containerd-shim-kata-v2")]
    public void Anothers_shim_is_told_nothing_unless_configured(string? type) =>
        Assert.Null(Of(new ResolvedRuntime { Shim = "/opt/containerd-shim-kata-v2", Choice = new RuntimeChoice { Type = type } }));

    [Theory]
    [InlineData(null)]
    [InlineData("io.containerd.runsc.v1")]
    public void Anothers_shim_is_told_of_its_configuration(string? type)
    {
        var any = Of(new ResolvedRuntime { Shim = "/opt/containerd-shim-runsc-v1", Choice = Configured with { Type = type } })!;
        Assert.Equal("runtimeoptions.v1.Options", any.TypeUrl);
        var options = Runtimeoptions.V1.Options.Parser.ParseFrom(any.Value);
        Assert.Equal(("io.containerd.runsc.v1.options", "/etc/runsc.toml", "a=1"), (options.TypeUrl, options.ConfigPath, options.ConfigBody.ToStringUtf8()));
    }

    [Theory]
    [InlineData("/usr/bin/containerd-shim-runc-v2", null)]
    [InlineData("/usr/bin/containerd-shim-cais-v2", null)]
    [InlineData("/usr/bin/renamed", "io.containerd.runc.v2")]
    public void Shims_of_runcs_kind_are_told_which_program_to_run(string shim, string? type)
    {
        var options = Runc(new ResolvedRuntime { Shim = shim, Choice = Configured with { Type = type } });
        Assert.Equal(
            ("/bin/other", "/run/other", true, true, true), (options.BinaryName, options.Root, options.SystemdCgroup, options.NoPivotRoot, options.NoNewKeyring));
        Assert.Equal("/run/cais/runtimes/name_x", Runc(new ResolvedRuntime { Shim = shim, Choice = new RuntimeChoice { Type = type } }).Root);
    }

    [Fact]
    public void Our_shim_is_told_of_a_program_or_of_none()
    {
        Assert.Equal("", Runc(new ResolvedRuntime()).BinaryName);
        Assert.Equal("/usr/bin/runsc", Runc(new ResolvedRuntime { Program = "/usr/bin/runsc" }).BinaryName);
    }
}
