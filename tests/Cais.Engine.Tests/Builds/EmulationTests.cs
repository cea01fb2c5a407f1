using Cais.Engine.Builds;

namespace Cais.Engine.Tests.Builds;

public sealed class EmulationTests : IDisposable
{
    private const string Arm64 = "7f454c460201010000000000000000000200b700";

    private readonly string _registry = Directory.CreateTempSubdirectory("cais-binfmt-").FullName;

    public void Dispose() => Directory.Delete(_registry, recursive: true);

    [Theory]
    [InlineData("qemu-aarch64", "enabled", "OCF", Arm64, true)]
    [InlineData("any-name", "enabled", "F", Arm64, true)]
    [InlineData("qemu-aarch64", "disabled", "OCF", Arm64, false)]
    [InlineData("qemu-aarch64", "enabled", "OC", Arm64, false)]
    [InlineData("qemu-arm", "enabled", "F", "7f454c4601010100000000000000000002002800", false)]
    [InlineData("jar", "enabled", "F", "504b0304", false)]
    public void A_format_takes_programs_by_what_they_begin_with(string name, string state, string flags, string magic, bool takes)
    {
        File.WriteAllText(Path.Combine(_registry, "status"), "enabled\n");
        File.WriteAllText(Path.Combine(_registry, name), $"{state}\ninterpreter /usr/bin/interpreter\nflags: {flags}\noffset 0\nmagic {magic}\nmask ffffffffffffff00fffffffffffffffffeffffff\n");
        Assert.Equal(takes, Emulation.HasInterpreter(_registry, "arm64"));
    }

    [Fact]
    public void Where_nothing_is_registered_nothing_is_emulated()
    {
        Assert.False(Emulation.HasInterpreter(Path.Combine(_registry, "missing"), "arm64"));
        Assert.False(Emulation.HasInterpreter(_registry, "vax"));
    }
}
