using Cais.Engine.Logging;
using Cais.Engine.Shims;
using Cais.Linux;
using Cais.Linux.Io;
using Containerd.Task.V2;

namespace Cais.Engine.Tests.Shims;

/// <summary>Shims that do not do what they are for.</summary>
[Trait("Tier", "integration")]
public sealed class ShimLauncherTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-shims-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>It ends before, while, or after it is connected to: what is told is that it ended, and how.</summary>
    [Fact]
    public async Task One_that_ends_at_once_is_told_with_its_status()
    {
        using var loop = EventLoop.Start();
        using var launcher = new ShimLauncher(loop, Options("exit 3"), new EngineLog(TextWriter.Null, LogLevel.Error));
        for (var i = 0; i < 20; i++)
        {
            var error = await Assert.ThrowsAsync<EngineException>(async () =>
            {
                using var shim = await launcher.Take();
                try
                {
                    await shim.Tasks.StateAsync(new StateRequest { Id = "x" }, TestContext.Current.CancellationToken);
                }
                catch (Exception e) when (e is IOException)
                {
                    throw await shim.Explain(e);
                }
            });
            Assert.Contains("status 3", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Anothers_that_cannot_start_is_told_with_its_own_words()
    {
        using var loop = EventLoop.Start();
        var options = Options("echo no kernel found >&2; exit 1");
        using var launcher = new ShimLauncher(loop, options, new EngineLog(TextWriter.Null, LogLevel.Error));
        var error = await Assert.ThrowsAsync<EngineException>(() => launcher.Start(options.ShimPath!, "box", Path.Combine(_directory, "bundle")));
        Assert.Equal($"the shim {options.ShimPath} could not be started: no kernel found", error.Message);
    }

    private EngineOptions Options(string script)
    {
        var program = Path.Combine(_directory, "shim");
        File.WriteAllText(program, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(program, (UnixFileMode)0x1ed);
        return new EngineOptions
        {
            Root = Path.Combine(_directory, "root"),
            RunDirectory = Path.Combine(_directory, "run"),
            ShimPath = program,
            ContainerDescriptors = DescriptorLimit.OfThisProcess(),
        };
    }
}
