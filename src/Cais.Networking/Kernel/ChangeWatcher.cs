using Cais.Linux;
using Cais.Linux.Netlink;

namespace Cais.Networking.Kernel;

/// <summary>
/// Hears from the kernel when somebody else takes something from our table or deletes an interface, so that it can be put back at once. One
/// thread that sleeps until then.
/// </summary>
internal sealed class ChangeWatcher : IDisposable
{
    private readonly NetworkEvents _events;
    private readonly Thread _thread;

    private ChangeWatcher(NetworkEvents events, NetworkEventHandler handler)
    {
        _events = events;
        _thread = new Thread(() => Listen(handler), 128 * 1024) { IsBackground = true, Name = "cais-net-watch" };
        _thread.Start();
    }

    /// <summary>Starts to watch the calling thread's namespace. The handler runs on the watcher's thread and must not wait.</summary>
    public static ChangeWatcher Start(NetworkEventHandler handler) => new(NetworkEvents.Open(), handler);

    public void Dispose()
    {
        _events.Stop();
        _thread.Join();
        _events.Dispose();
    }

    private void Listen(NetworkEventHandler handler)
    {
        while (true)
        {
            try
            {
                _events.Listen(handler);
                return;
            }
            catch (NetlinkFormatException)
            {
                // A message that makes no sense is no reason to hear nothing any more.
            }
            catch (LinuxException)
            {
                // Without events, repairs wait for the next change or start.
                return;
            }
        }
    }
}
