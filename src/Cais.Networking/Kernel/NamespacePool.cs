using System.Collections.Concurrent;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Networks;

namespace Cais.Networking.Kernel;

/// <summary>
/// A few network namespaces made and bound ahead of need, on another thread than the one that takes them. What a crash leaves behind is a
/// path that no record knows: the next start clears it away.
/// </summary>
internal sealed class NamespacePool(KernelThread background, string directory, int size, IdMap? ids) : IDisposable
{
    private readonly ConcurrentQueue<SandboxNamespace> _spare = [];
    private volatile bool _disposed;
    private int _filling;

    /// <summary>
    /// Takes a spare one, or makes one on <paramref name="current"/>, whose job this must be. <see cref="Fill"/> comes later, when what the kernel
    /// does for it stands in nobody's way.
    /// </summary>
    /// <param name="current">This thread.</param>
    /// <param name="spec">Whose it will be: those that are not in a user namespace of their own get one made for them.</param>
    public SandboxNamespace Take(KernelThread current, SandboxSpec spec)
    {
        if (ids is not null && spec.InHostUserNamespace)
        {
            return SandboxNamespace.Create(current, NewPath());
        }

        if (spec.UserNamespacePath is { } owner)
        {
            using var space = Files.Open(owner, OpenFlags.ReadOnly);
            return SandboxNamespace.Create(current, NewPath(), () => UserNamespace.CreateNetwork(space));
        }

        return _spare.TryDequeue(out var spare) ? spare : Create(current);
    }

    public void Fill()
    {
        if (_disposed || Interlocked.Exchange(ref _filling, 1) == 1)
        {
            return;
        }

        _ = background.Run(() =>
        {
            Volatile.Write(ref _filling, 0);
            while (!_disposed && _spare.Count < size)
            {
                _spare.Enqueue(Create(background));
            }
        });
    }

    /// <summary>Gives the spare ones back to the kernel. The background thread must have ended.</summary>
    public void Dispose()
    {
        _disposed = true;
        while (_spare.TryDequeue(out var spare))
        {
            spare.Dispose();
            try
            {
                NetworkNamespace.Unbind(spare.Path);
            }
            catch (LinuxException)
            {
                // The next start tries again.
            }
        }
    }

    private SandboxNamespace Create(KernelThread thread) => ids is null
        ? SandboxNamespace.Create(thread, NewPath())
        : SandboxNamespace.Create(thread, NewPath(), () => UserNamespace.CreateNetwork(ids));

    private string NewPath() => Path.Combine(directory, NetworkFactory.NewId()[..12]);
}
