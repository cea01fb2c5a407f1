namespace Cais.Engine.Volumes;

/// <summary>A lock for every name, for as long as somebody holds it or waits for it.</summary>
internal sealed class NamedLocks
{
    private readonly Dictionary<string, Entry> _entries = [];

    public async ValueTask<Holder> Enter(string name, CancellationToken cancellation = default)
    {
        Entry? entry;
        lock (_entries)
        {
            if (!_entries.TryGetValue(name, out entry))
            {
                _entries[name] = entry = new Entry();
            }

            entry.Users++;
        }

        try
        {
            return new Holder(this, name, entry, await entry.Lock.Enter(cancellation).ConfigureAwait(false));
        }
        catch
        {
            Leave(name, entry);
            throw;
        }
    }

    private void Leave(string name, Entry entry)
    {
        lock (_entries)
        {
            if (--entry.Users == 0)
            {
                _entries.Remove(name);
            }
        }
    }

    /// <summary>Disposing it lets the next one in.</summary>
    internal readonly struct Holder(NamedLocks owner, string name, Entry entry, AsyncLock.Holder held) : IDisposable
    {
        public void Dispose()
        {
            held.Dispose();
            owner.Leave(name, entry);
        }
    }

    internal sealed class Entry
    {
        public AsyncLock Lock { get; } = new();

        public int Users { get; set; }
    }
}
