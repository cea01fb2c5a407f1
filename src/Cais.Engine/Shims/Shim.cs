using Cais.Linux;
using Cais.Ttrpc;

namespace Cais.Engine.Shims;

/// <summary>A connection to one container's shim. The shim lives on when it is closed.</summary>
/// <param name="socket">Where the shim listens.</param>
/// <param name="connection">To there.</param>
/// <param name="service">Which version of the Task service it speaks.</param>
/// <param name="exit">The process's end, where it is this process's child.</param>
internal sealed class Shim(string socket, TtrpcClient connection, string service = TaskClient.V2, Task<ExitStatus>? exit = null) : IDisposable
{
    /// <summary>From the end of a connection to its process's being reaped: far more than that takes.</summary>
    private static readonly TimeSpan ReapTime = TimeSpan.FromSeconds(2);

    /// <summary>Where the shim listens: enough to find it again.</summary>
    public string Socket => socket;

    /// <summary>Which version of the Task service it speaks.</summary>
    public string Service => service;

    public TaskClient Tasks { get; } = new(connection, service);

    /// <summary>Why a call failed: of a shim that has ended the closed connection is only what came of it.</summary>
    public async Task<Exception> Explain(Exception failure) =>
        failure is TtrpcClosedException && exit is not null && await Ended(exit).ConfigureAwait(false) is { } status ? Died(status, failure) : failure;

    public void Dispose() => connection.Dispose();

    internal static EngineException Died(ExitStatus status, Exception? cause) =>
        EngineException.System($"the shim ended with status {status.ShellCode} before the container was started (see the daemon's log, and the kernel's for a kill)", cause);

    private static async Task<ExitStatus?> Ended(Task<ExitStatus> exit)
    {
        try
        {
            return await exit.WaitAsync(ReapTime).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or LinuxException)
        {
            return null;
        }
    }
}
