[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Cais.EndToEnd.Tests;

/// <summary>A daemon with the busybox image, shared by the tests of one class.</summary>
public sealed class EngineFixture : IAsyncLifetime
{
    internal Engine Engine { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Engine = await Engine.Start();
        await Busybox.Import(Engine);
    }

    public ValueTask DisposeAsync() => Engine.DisposeAsync();
}
