using System.Runtime.ExceptionServices;

namespace Cais.Linux;

/// <summary>Who a thread is towards filesystems; setfsuid(2), credentials(7).</summary>
public static unsafe class ThreadIdentity
{
    private const int CapabilityVersion = 0x20080522;

    /// <summary>
    /// Runs <paramref name="work"/> on a thread of its own whose files belong to <paramref name="uid"/> and <paramref name="gid"/> but which
    /// keeps its rights. A filesystem of a user namespace takes files only from ids that the namespace knows, and root is often none of them.
    /// </summary>
    public static void RunAs(uint uid, uint gid, Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Become(uid, gid);
                work();
            }
#pragma warning disable CA1031 // Carried over to the caller's thread, whatever it is.
            catch (Exception e)
#pragma warning restore CA1031
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    /// <summary>The change of the file owner takes the rights over files out of the effective set; they are still permitted, and put back.</summary>
    private static void Become(uint uid, uint gid)
    {
        SystemCall.Invoke(SystemCall.SetFsGid, (nint)gid);
        SystemCall.Invoke(SystemCall.SetFsUid, (nint)uid);
        var header = stackalloc int[2] { CapabilityVersion, 0 };

        // Two halves of effective, permitted, inheritable.
        var sets = stackalloc int[6];
        if (SystemCall.Invoke(SystemCall.CapGet, (nint)header, (nint)sets) < 0)
        {
            throw LinuxException.FromLastError("read capabilities");
        }

        (sets[0], sets[3]) = (sets[1], sets[4]);
        if (SystemCall.Invoke(SystemCall.CapSet, (nint)header, (nint)sets) < 0)
        {
            throw LinuxException.FromLastError("set capabilities");
        }
    }
}
