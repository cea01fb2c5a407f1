using Cais.Oci.Images;

namespace Cais.Images.Content;

/// <summary>
/// What work in progress needs and no image names yet. Garbage collection spares it. Leases live in memory: after a crash there is no work in progress.
/// </summary>
internal sealed class Leases
{
    private readonly HashSet<Lease> _active = [];

    /// <summary>Held while garbage is collected, and while a decision "it is here" turns into a lease on it.</summary>
    public Lock Gate { get; } = new();

    public Lease Begin()
    {
        var lease = new Lease(this);
        lock (Gate)
        {
            _active.Add(lease);
        }

        return lease;
    }

    /// <summary>Everything leased. Only under <see cref="Gate"/>.</summary>
    public HashSet<Digest> Snapshot() => [.. _active.SelectMany(l => l.Digests)];

    internal void End(Lease lease)
    {
        lock (Gate)
        {
            _active.Remove(lease);
        }
    }
}

/// <summary>Keeps digests (of blobs, or of unpacked layers) until it is disposed of.</summary>
internal sealed class Lease(Leases leases) : IDisposable
{
    internal HashSet<Digest> Digests { get; } = [];

    public void Add(Digest digest)
    {
        lock (leases.Gate)
        {
            Digests.Add(digest);
        }
    }

    public void Dispose() => leases.End(this);
}
