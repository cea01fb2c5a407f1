using System.Globalization;
using System.Text.Json;
using Cais.Api;
using Cais.Plugins;

namespace Cais.Engine.Volumes;

/// <summary>What the API asks of volumes.</summary>
public sealed partial class VolumeStore
{
    private static readonly TimeSpan ListPatience = TimeSpan.FromSeconds(2);

    /// <summary>One volume, with what its driver says of it now.</summary>
    /// <exception cref="EngineException">NotFound: <c>get x: no such volume</c>.</exception>
    public async Task<VolumeInfo> Inspect(string name, CancellationToken cancellation)
    {
        var volume = Find(name) ?? await Foreign(name, cancellation).ConfigureAwait(false) ?? throw EngineException.NotFound($"get {name}: no such volume");
        if (volume.Driver == Local)
        {
            return Describe(volume);
        }

        try
        {
            var driver = await DriverOf(volume.Driver, cancellation).ConfigureAwait(false);
            return await driver.InspectAsync(volume, cancellation).ConfigureAwait(false) is { } state
                ? Describe(volume with { Path = state.Path }) with { Status = state.Status, CreatedAt = state.Created ?? Describe(volume).CreatedAt }
                : Describe(volume);
        }
        catch (EngineException e)
        {
            // The plugin is not there now. What is on record is the truth that is left.
            return Describe(volume) with { Status = new Dictionary<string, JsonElement> { ["error"] = JsonSerializer.SerializeToElement(e.Message, ApiJson.Default.String) } };
        }
    }

    /// <summary>The listing with docker's filters; also volumes that plugins have and nobody here has made.</summary>
    public async Task<VolumeListResponse> List(Filters filters, CancellationToken cancellation)
    {
        filters.Accept("dangling", "driver", "label", "name");
        var dangling = filters.Has("dangling") ? filters.Flag("dangling", false) : (bool?)null;
        var volumes = List().ToDictionary(v => v.Name);
        var warnings = new List<string>();
        foreach (var plugin in await _plugins.FindAsync(PluginVolumeDriver.Kind, cancellation).ConfigureAwait(false))
        {
            try
            {
                // A list is wanted at once: who does not answer is named in a warning.
                foreach (var foreign in await new PluginVolumeDriver(plugin).ListAsync(cancellation).WaitAsync(ListPatience, cancellation).ConfigureAwait(false))
                {
                    volumes[foreign.Name] = volumes.TryGetValue(foreign.Name, out var known) ? known with { Path = foreign.Path.Length > 0 ? foreign.Path : known.Path } : foreign;
                }
            }
            catch (Exception e) when (e is PluginException or TimeoutException)
            {
                warnings.Add($"list {plugin.Name}: {e.Message}");
            }
        }

        return new VolumeListResponse
        {
            Volumes =
            [
                .. volumes.Values.OrderBy(v => v.Name, StringComparer.Ordinal)
                    .Where(v => filters["name"] is not { Count: > 0 } names || names.Any(n => v.Name.Contains(n, StringComparison.Ordinal)))
                    .Where(v => filters.Exact("driver", v.Driver) && filters.Labels("label", v.Labels))
                    .Where(v => dangling is null || dangling == (UsersOf(v.Name).Count == 0))
                    .Select(Describe),
            ],
            Warnings = warnings.Count > 0 ? warnings : null,
        };
    }

    /// <summary>Removes local volumes that no container uses: those without a name, or all.</summary>
    public async Task<VolumePruneResponse> Prune(Filters filters, bool anonymousOnly)
    {
        filters.Accept("label", "label!", "all");
        var deleted = new List<string>();
        var freed = 0L;
        foreach (var volume in List().Where(v => v.Driver == Local))
        {
            if ((anonymousOnly && !volume.Anonymous) || UsersOf(volume.Name).Count > 0 || !filters.LabelsOf(volume.Labels))
            {
                continue;
            }

            var size = SizeOf(volume);
            try
            {
                await Remove(volume.Name, force: true).ConfigureAwait(false);
            }
            catch (EngineException)
            {
                // Taken into use meanwhile.
                continue;
            }

            deleted.Add(volume.Name);
            freed += Math.Max(0, size);
        }

        _events.Publish("volume", "prune", "", new Dictionary<string, string> { ["reclaimed"] = freed.ToString(CultureInfo.InvariantCulture) });
        return new VolumePruneResponse { VolumesDeleted = deleted, SpaceReclaimed = freed };
    }

    /// <summary>Bytes of the files in it; -1 where they are not this machine's to count.</summary>
    public static long SizeOf(VolumeRecord volume) => volume.Driver == Local && !VolumeMount.Has(volume) ? Trees.Size(volume.Path) : -1;

    public static VolumeInfo Describe(VolumeRecord volume) => new()
    {
        Name = volume.Name,
        Driver = volume.Driver,
        Mountpoint = volume.Path,
        CreatedAt = volume.Created == default ? null : volume.Created.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        Labels = volume.Labels,
        Options = volume.Options,
        Scope = volume.Scope ?? "local",
    };

    /// <summary>Names of the volume drivers that somebody has used.</summary>
    public IReadOnlyList<string> Drivers() => [Local, .. _plugins.Known(PluginVolumeDriver.Kind)];
}
