using Cais.Linux;
using Cais.Testing;
using Cais.Ttrpc;
using Containerd.Runc.V1;
using Containerd.Task.V2;
using Containerd.V1.Types;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Tests;

/// <summary>The Task API's Checkpoint, and Create from what it wrote. Where this kernel or criu cannot, that must be told, and harm nothing.</summary>
[Trait("Tier", "integration")]
public sealed class CheckpointTests : IDisposable
{
    /// <summary>What criu keeps of what it found out about the kernel.</summary>
    public void Dispose() => File.Delete("/run/criu.kdat");

    [Fact]
    public async Task A_container_is_saved_and_goes_on_in_another()
    {
        await using var shim = await ShimHarness.StartAsync("cais");
        shim.Configure(terminal: false, "sh", "-c", "i=0; while true; do i=$((i+1)); echo $i > /count; sleep 0.05; done");
        _ = await shim.RunAsync();
        await Eventually.Holds(() => Count(shim) > 3, "it counts");
        var image = Path.Combine(shim.Root, "image");
        var request = new CheckpointTaskRequest
        {
            Id = shim.Id,
            Path = image,
            Options = new Any { TypeUrl = "containerd.runc.v1.CheckpointOptions", Value = new CheckpointOptions { FileLocks = true }.ToByteString() },
        };
        if ((await Command.Run("criu", ["check"])).ExitCode != 0)
        {
            var refused = await Assert.ThrowsAsync<TtrpcException>(() => shim.Client.CheckpointAsync(request));
            Assert.Contains("criu dump failed", refused.Message, StringComparison.Ordinal);
            Assert.Contains("criu check", refused.Message, StringComparison.Ordinal);
            var before = Count(shim);
            await Eventually.Holds(() => Count(shim) > before, "it runs on");
            await shim.KillAsync();
            await shim.WaitAsync();
            await shim.DeleteAsync();
            return;
        }

        await shim.Client.CheckpointAsync(request).WaitAsync(ShimHarness.Deadline);
        var saved = Count(shim);
        await Eventually.Holds(() => Count(shim) > saved, "it runs on");
        await shim.KillAsync();
        await shim.WaitAsync();
        await shim.DeleteAsync();

        var outputs = shim.ReadOutputAsync();
        var create = shim.CreateRequest();
        create.Checkpoint = image;
        var created = await shim.Client.CreateAsync(create).WaitAsync(ShimHarness.Deadline);
        await shim.Client.StartAsync(new StartRequest { Id = shim.Id }).WaitAsync(ShimHarness.Deadline);
        var state = await shim.Client.StateAsync(new StateRequest { Id = shim.Id });
        Assert.Equal(Status.Running, state.Status);
        Assert.Equal(created.Pid, state.Pid);
        File.WriteAllText(CountFile(shim), "0");
        await Eventually.Holds(() => Count(shim) >= saved, "it counts from where it was");
        await shim.KillAsync(Signals.Kill);
        Assert.Equal(137u, (await shim.WaitAsync()).ExitStatus);
        await outputs;
        await shim.DeleteAsync();
        Assert.Empty(shim.Mounts());
        Assert.Empty(shim.Cgroups());
    }

    private static string CountFile(ShimHarness shim) => Path.Combine(shim.Root, "upper", "count");

    private static int Count(ShimHarness shim)
    {
        try
        {
            return int.TryParse(File.ReadAllText(CountFile(shim)), out var count) ? count : 0;
        }
        catch (FileNotFoundException)
        {
            return 0;
        }
    }
}
