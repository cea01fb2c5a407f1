using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Engines ask for every capability that exists (`--privileged`), also of a runtime that has not got them all.</summary>
[Trait("Tier", "integration")]
public sealed class GrantableCapabilitiesTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    private static Capabilities All()
    {
        string[] all = [.. Enumerable.Range(0, CapabilityNames.Count).Select(CapabilityNames.Name)];
        return new Capabilities { Bounding = all, Effective = all, Permitted = all, Inheritable = all };
    }

    [Fact]
    [Sentence("config.md", "capabilities-unknown")]
    public void A_capability_that_the_runtime_lacks_is_left_out_with_a_warning()
    {
        var own = OwnCapabilities.Permitted();
        var spec = _bundle.Spec("sh", "-c", "grep CapEff /proc/self/status").With(process => process with { Capabilities = All() });
        Assert.Contains(own.ToString("x16", System.Globalization.CultureInfo.InvariantCulture), _bundle.Run(spec).Output, StringComparison.Ordinal);

        using var container = _bundle.Create(_bundle.Spec("sleep", "1000").With(process => process with { Capabilities = All() }));
        foreach (var missing in Enumerable.Range(0, CapabilityNames.Count).Where(number => (own & (1UL << number)) == 0))
        {
            Assert.Contains(container.Warnings, warning => warning.Contains(CapabilityNames.Name(missing), StringComparison.Ordinal));
        }

        container.Start();
        var exec = TestBundle.Exec(container, TestSpec.Process("grep", "CapEff", "/proc/self/status") with { Capabilities = All() });
        Assert.Contains(own.ToString("x16", System.Globalization.CultureInfo.InvariantCulture), exec.Output, StringComparison.Ordinal);
        container.Delete(force: true);
        Pidfd.TryWait(container.PidFd!);
    }
}
