using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Netlink;

namespace Cais.Networking.Kernel;

/// <summary>
/// One thread for all changes, one after the other, in the network namespace that is "the host" to a controller. The thread may visit other
/// namespaces during a job; it always comes back, and if it cannot, the process must not go on in the wrong one.
/// </summary>
internal sealed class KernelThread : IDisposable
{
    private readonly Queue<Action> _jobs = [];
    private readonly FileDescriptor _home;
    private readonly Thread _thread;
    private readonly bool _isCallersNamespace;
    private bool _stopping;

    /// <param name="name">For debuggers.</param>
    /// <param name="home">The namespace to live in, or null for the caller's. Not owned.</param>
    public KernelThread(string name, FileDescriptor? home)
    {
        _isCallersNamespace = home is null;
        var started = new TaskCompletionSource<FileDescriptor>(TaskCreationOptions.RunContinuationsAsynchronously);
        _thread = new Thread(() => Work(home, started), 256 * 1024) { IsBackground = true, Name = name };
        _thread.Start();
        _home = started.Task.GetAwaiter().GetResult();
    }

    public Task<T> Run<T>(Func<T> job)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Add(() =>
        {
            try
            {
                done.SetResult(job());
            }
#pragma warning disable CA1031 // Whatever it is goes to whoever awaits the job.
            catch (Exception e)
#pragma warning restore CA1031
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    /// <summary>Makes a socket in the namespace that this thread lives in.</summary>
    public Task<Socket> OpenSocket(AddressFamily family, SocketType type, ProtocolType protocol) => _isCallersNamespace
        ? Task.FromResult(new Socket(family, type, protocol))
        : Run(() => new Socket(family, type, protocol));

    public Task Run(Action job) => Run(() =>
    {
        job();
        return true;
    });

    /// <summary>Does something inside another namespace. Only from a job on this thread.</summary>
    public void Visit(FileDescriptor target, Action action)
    {
        NetworkNamespace.Enter(target);
        try
        {
            action();
        }
        finally
        {
            GoHome();
        }
    }

    /// <summary>Creates a namespace and does something inside. Only from a job on this thread. The caller owns the result.</summary>
    public FileDescriptor CreateNamespace(Action<FileDescriptor> inside)
    {
        var created = NetworkNamespace.EnterNew();
        try
        {
            inside(created);
            return created;
        }
        catch
        {
            created.Dispose();
            throw;
        }
        finally
        {
            GoHome();
        }
    }

    public void Dispose()
    {
        lock (_jobs)
        {
            if (_stopping)
            {
                return;
            }

            _stopping = true;
            Monitor.Pulse(_jobs);
        }

        _thread.Join();
        _home.Dispose();
    }

    private void Add(Action job)
    {
        lock (_jobs)
        {
            ObjectDisposedException.ThrowIf(_stopping, typeof(NetworkController));
            _jobs.Enqueue(job);
            Monitor.Pulse(_jobs);
        }
    }

    private void GoHome()
    {
        try
        {
            NetworkNamespace.Enter(_home);
        }
        catch (LinuxException e)
        {
            Environment.FailFast("the network thread cannot return to the host's namespace", e);
        }
    }

    private void Work(FileDescriptor? home, TaskCompletionSource<FileDescriptor> started)
    {
        try
        {
            if (home is not null)
            {
                NetworkNamespace.Enter(home);
            }

            started.SetResult(NetworkNamespace.OpenCurrent());
        }
#pragma warning disable CA1031 // The constructor rethrows it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            started.SetException(e);
            return;
        }

        while (Next() is { } job)
        {
            job();
        }
    }

    /// <summary>A plain monitor: the ready-made blocking collection spins for milliseconds after every job, on a core that others need.</summary>
    private Action? Next()
    {
        lock (_jobs)
        {
            while (_jobs.Count == 0)
            {
                if (_stopping)
                {
                    return null;
                }

                Monitor.Wait(_jobs);
            }

            return _jobs.Dequeue();
        }
    }
}
