using Cais.Linux;
using Containerd.Task.V2;

namespace Cais.Shim.Tests;

/// <summary>A container's first process is a fork of the shim, and so may be what runs the shim's file: nobody can write to that (CVE-2019-5736).</summary>
[Trait("Tier", "integration")]
public sealed class OwnFileTests
{
    [Theory]
    [InlineData("serve")]
    [InlineData("")]
    public async Task CVE_2019_5736_the_shims_own_file_cannot_be_overwritten(string action)
    {
        await using var shim = await ShimHarness.StartAsync("cais", action: action);
        shim.Configure(terminal: false, "true");
        var created = await shim.Client.CreateAsync(shim.CreateRequest());
        foreach (var pid in (int[])[shim.ShimPid, (int)created.Pid])
        {
            // Through the file's own mount it would be ETXTBSY, and no error once nobody runs it any more.
            var refused = Assert.Throws<LinuxException>(() => Files.Open($"/proc/{pid}/exe", OpenFlags.WriteOnly | OpenFlags.Truncate));
            Assert.Equal(Errno.EROFS, refused.Errno);
            Assert.StartsWith("containerd-shim", await File.ReadAllTextAsync($"/proc/{pid}/comm", TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        await shim.WaitAsync();
        await shim.DeleteAsync();
    }
}
