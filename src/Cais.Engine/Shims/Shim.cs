using Cais.Ttrpc;

namespace Cais.Engine.Shims;

/// <summary>A connection to one container's shim. The shim lives on when it is closed.</summary>
internal sealed class Shim(string socket, TtrpcClient connection) : IDisposable
{
    /// <summary>Where the shim listens: enough to find it again.</summary>
    public string Socket => socket;

    public TaskClient Tasks { get; } = new(connection);

    public void Dispose() => connection.Dispose();
}
