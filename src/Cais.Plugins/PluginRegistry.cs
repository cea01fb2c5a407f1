using System.Collections.Concurrent;

namespace Cais.Plugins;

/// <summary>
/// The plugins of this machine. A plugin is found and greeted when somebody first needs it, and again when it moved or was restarted at another place;
/// nobody waits for one that is not there. Safe to call from any thread.
/// </summary>
public sealed class PluginRegistry(PluginFolders folders) : IDisposable
{
    /// <summary>How long those are waited for who were not asked for by name.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

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

    /// <summary>All plugins of a kind that answer now, within two seconds, by name.</summary>
    public async Task<IReadOnlyList<Plugin>> FindAsync(string kind, CancellationToken cancellation) =>
        [.. (await Task.WhenAll(folders.Names().Select(name => TryGetAsync(name, kind, cancellation))).ConfigureAwait(false)).OfType<Plugin>()];

    /// <summary>Names of the plugins of a kind that somebody has needed already. Asks nobody.</summary>
    public IReadOnlyList<string> Known(string kind) =>
        [.. _known.Values.Where(p => p.Implements.Contains(kind)).Select(p => p.Name).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        foreach (var plugin in _known.Values)
        {
            plugin.Dispose();
        }
    }

    private async Task<Plugin?> TryGetAsync(string name, string kind, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            return await GetAsync(name, kind, limit.Token).ConfigureAwait(false);
        }
        catch (PluginException)
        {
            // Of another kind, or a socket that nobody listens on any more.
            return null;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private void Forget(string name) => _known.TryRemove(name, out _);
}
