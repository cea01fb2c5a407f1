using System.Collections.Concurrent;

namespace Cais.Plugins;

/// <summary>
/// The plugins of this machine. A plugin is found and greeted when somebody first needs it, and again when it moved or was restarted at another place;
/// nobody waits for one that is not there. Safe to call from any thread.
/// </summary>
public sealed class PluginRegistry(PluginFolders folders) : IDisposable
{
    private readonly ConcurrentDictionary<string, Plugin> _known = new(StringComparer.Ordinal);

    /// <summary>A plugin by name.</summary>
    /// <param name="name">As it announces itself; a tag <c>:latest</c> is no part of it.</param>
    /// <param name="kind"><c>VolumeDriver</c>, <c>NetworkDriver</c>, <c>IpamDriver</c>, ...</param>
    /// <exception cref="PluginException">Not found, of another kind, or without an answer.</exception>
    public async Task<Plugin> GetAsync(string name, string kind, CancellationToken cancellation)
    {
        if (name.EndsWith(":latest", StringComparison.Ordinal))
        {
            name = name[..^":latest".Length];
        }

        if (folders.Find(name) is not { } address)
        {
            Forget(name);
            throw new PluginException($"plugin \"{name}\" not found", notFound: true);
        }

        if (!_known.TryGetValue(name, out var plugin) || plugin.Address != address)
        {
            var fresh = await Plugin.ActivateAsync(name, address, cancellation).ConfigureAwait(false);
            plugin = _known.AddOrUpdate(name, fresh, (_, _) => fresh);
        }

        return plugin.Implements.Contains(kind)
            ? plugin
            : throw new PluginException($"plugin \"{name}\" does not implement the \"{kind}\" interface", notFound: true);
    }

    /// <summary>All plugins of a kind that answer now, by name.</summary>
    public async Task<IReadOnlyList<Plugin>> FindAsync(string kind, CancellationToken cancellation)
    {
        var found = new List<Plugin>();
        foreach (var name in folders.Names())
        {
            try
            {
                found.Add(await GetAsync(name, kind, cancellation).ConfigureAwait(false));
            }
            catch (PluginException)
            {
                // Of another kind, or a socket that nobody listens on any more.
            }
        }

        return found;
    }

    public void Dispose()
    {
        foreach (var plugin in _known.Values)
        {
            plugin.Dispose();
        }
    }

    private void Forget(string name) => _known.TryRemove(name, out _);
}
