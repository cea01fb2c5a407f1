using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Engine.Shims;

/// <summary>Sequences of shim calls that several places need.</summary>
internal static class ShimTasks
{
    /// <summary>How long a killed process may take to be gone: longer than the kernel ever should.</summary>
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Ends a task, whatever state it is in. Does nothing when there is none.</summary>
    public static async Task KillAndDelete(Shim shim, string id)
    {
        try
        {
            var exit = shim.Tasks.WaitAsync(new WaitRequest { Id = id });
            await shim.Tasks.KillAsync(new KillRequest { Id = id, Signal = 9, All = true }).ConfigureAwait(false);
            await exit.WaitAsync(KillTimeout).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TtrpcException or IOException or TimeoutException)
        {
            // Not started, ended already, or never created.
        }

        try
        {
            await shim.Tasks.DeleteAsync(new DeleteRequest { Id = id }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TtrpcException or IOException)
        {
        }
    }
}
