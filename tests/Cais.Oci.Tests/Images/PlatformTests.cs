using Cais.Oci.Images;

namespace Cais.Oci.Tests.Images;

public sealed class PlatformTests
{
    [Theory]
    [InlineData("linux/amd64", "linux/amd64")]
    [InlineData("linux/x86_64", "linux/amd64")]
    [InlineData("linux/amd64/v1", "linux/amd64")]
    [InlineData("linux/aarch64", "linux/arm64")]
    [InlineData("linux/arm64/v8", "linux/arm64")]
    [InlineData("linux/arm", "linux/arm/v7")]
    [InlineData("linux/armhf", "linux/arm/v7")]
    [InlineData("linux/arm/6", "linux/arm/v6")]
    [InlineData("Linux/AMD64", "linux/amd64")]
    [InlineData("riscv64", "linux/riscv64")]
    [InlineData("windows/amd64", "windows/amd64")]
    public void Other_names_for_a_machine_are_understood(string text, string expected) => Assert.Equal(expected, Platform.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("linux/")]
    [InlineData("linux/amd64/v1/x")]
    [InlineData("lin ux/amd64")]
    public void What_is_no_platform_is_refused(string text) => Assert.Throws<ImageFormatException>(() => Platform.Parse(text));

    [Theory]
    [InlineData("linux/amd64", "linux/amd64", 0)]
    [InlineData("linux/amd64", "linux/arm64", null)]
    [InlineData("linux/amd64", "windows/amd64", null)]
    [InlineData("linux/amd64/v3", "linux/amd64", 2)]
    [InlineData("linux/amd64", "linux/amd64/v3", null)]
    [InlineData("linux/arm/v7", "linux/arm/v6", 1)]
    [InlineData("linux/arm/v6", "linux/arm/v7", null)]
    [InlineData("linux/arm64", "linux/arm/v7", 93)]
    [InlineData("linux/s390x", "linux/s390x", 0)]
    public void A_machine_runs_what_it_can(string wanted, string offered, int? preference) =>
        Assert.Equal(preference, Platform.Parse(wanted).Preference(Platform.Parse(offered)));

    [Fact]
    public void The_best_entry_of_an_index_comes_first_and_attestations_never()
    {
        static Descriptor Entry(string? platform, bool attestation = false) => new()
        {
            MediaType = MediaTypes.OciManifest,
            Digest = Digest.Of(System.Text.Encoding.UTF8.GetBytes(platform + attestation)),
            Platform = platform is null ? null : Platform.Parse(platform),
            Annotations = attestation ? new Dictionary<string, string> { [Annotations.DockerReferenceType] = "attestation-manifest" } : null,
        };
        var index = new Oci.Images.Index { Manifests = [Entry("linux/arm/v6"), Entry(null), Entry("linux/amd64"), Entry("linux/arm/v7"), Entry("linux/arm/v7", true)] };

        var found = index.ForPlatform(Platform.Parse("linux/arm/v7")).ToList();

        Assert.Equal(["linux/arm/v7", "linux/arm/v6", null], found.Select(f => f.Platform?.ToString()));
    }
}
