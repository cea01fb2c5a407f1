using Cais.Ttrpc;

namespace Cais.Engine.Shims;

/// <summary>A connection to one container's shim. The shim lives on when it is closed.</summary>
internal sealed class Shim(string socket, TtrpcClient connection, string service = TaskClient.V2) : IDisposable
{
    /// <summary>Where the shim listens: enough to find it again.</summary>
    public string Socket => socket;

    /// <summary>Which version of the Task service it speaks.</summary>
    public string Service => service;

    public TaskClient Tasks { get; } = new(connection, service);

    public void Dispose() => connection.Dispose();
}
