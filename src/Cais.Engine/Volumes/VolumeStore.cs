using System.Text.Json;
using System.Text.RegularExpressions;
using Cais.Engine.Containers;
using Cais.Engine.Events;
using Cais.Plugins;
using Cais.Storage;

namespace Cais.Engine.Volumes;

/// <summary>
/// Named directories that outlive containers. What is in them is the user's: a directory without a row (the database was lost, or a crash came
/// between the two) becomes a volume again, and only one that was set aside for removal is deleted at start. Drivers are called under the
/// volume's own lock: a server or plugin that does not answer holds up those who need its volume, and nobody else.
/// </summary>
public sealed partial class VolumeStore
{
    /// <summary>Docker's label on volumes that nobody named.</summary>
    internal const string AnonymousLabel = "com.docker.volume.anonymous";

    private const string Local = "local";
    private readonly Lock _gate = new();
    private readonly NamedLocks _locks = new();
    private readonly Dictionary<string, VolumeRecord> _volumes;

    /// <summary>Containers that exist, by the volumes that they would mount.</summary>
    private readonly Dictionary<string, HashSet<string>> _users = [];

    /// <summary>Who has a volume mounted now.</summary>
    private readonly Dictionary<string, HashSet<string>> _holders = [];
    private readonly Database _database;
    private readonly EventBus _events;
    private readonly TimeProvider _time;
    private readonly LocalVolumeDriver _local;
    private readonly PluginRegistry _plugins;

    public VolumeStore(string root, Database database, EventBus events, TimeProvider time, PluginRegistry plugins)
    {
        _database = database;
        _events = events;
        _time = time;
        _plugins = plugins;
        _local = new LocalVolumeDriver(root, List);
        database.Migrate("volumes", "CREATE TABLE volumes_volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID");
        Directory.CreateDirectory(root);
        _volumes = database
            .Read(c => c.Query("SELECT record FROM volumes_volumes", r => JsonSerializer.Deserialize(r.GetString(0), EngineJson.Default.VolumeRecord)!))
            .ToDictionary(v => v.Name);
        foreach (var directory in Directory.EnumerateDirectories(root))
        {
            var name = Path.GetFileName(directory);
            if (name.StartsWith(LocalVolumeDriver.RemovedPrefix, StringComparison.Ordinal))
            {
                Trees.Delete(directory);
            }
            else if (!_volumes.ContainsKey(name) && ValidName().IsMatch(name))
            {
                Save(new VolumeRecord { Name = name, Created = Directory.GetCreationTimeUtc(directory), Path = _local.PathOf(name) });
            }
        }
    }

    /// <summary>The volumes on record; what plugins have besides is not asked for.</summary>
    public IReadOnlyList<VolumeRecord> List()
    {
        lock (_gate)
        {
            return [.. _volumes.Values.OrderBy(v => v.Name, StringComparer.Ordinal)];
        }
    }

    public VolumeRecord? Find(string name)
    {
        lock (_gate)
        {
            return _volumes.GetValueOrDefault(name);
        }
    }

    /// <exception cref="EngineException">NotFound: <c>get x: no such volume</c>.</exception>
    public VolumeRecord Get(string name) => Find(name) ?? throw EngineException.NotFound($"get {name}: no such volume");

    /// <summary>Who uses a volume: ids of containers, running or not.</summary>
    public IReadOnlyCollection<string> UsersOf(string name)
    {
        lock (_gate)
        {
            return _users.TryGetValue(name, out var users) ? [.. users] : [];
        }
    }

    /// <summary>Makes a volume, or finds the one of the driver that has the name already.</summary>
    /// <param name="name">Its name; null for one of random digits.</param>
    /// <param name="driver">Its driver; null for <c>local</c>, or whatever the existing one has.</param>
    /// <param name="options">For the driver.</param>
    /// <param name="labels">The user's metadata.</param>
    /// <param name="user">The container that it is for: from here it cannot be removed.</param>
    public async Task<VolumeRecord> Create(
        string? name,
        string? driver,
        IReadOnlyDictionary<string, string>? options,
        IReadOnlyDictionary<string, string>? labels,
        CancellationToken cancellation,
        string? user = null)
    {
        var anonymous = string.IsNullOrEmpty(name);
        name = anonymous ? RandomId.New() : name!;
        using var held = await _locks.Enter(name, cancellation).ConfigureAwait(false);
        if (Find(name) is { } existing)
        {
            if (!string.IsNullOrEmpty(driver) && NameOf(driver) != existing.Driver)
            {
                throw EngineException.Conflict($"create {name}: conflict: volume name must be unique: it is of driver {existing.Driver}");
            }

            Reserve(user, name);
            return existing;
        }

        driver = NameOf(driver);
        if (driver == Local)
        {
            CheckName(name);
        }

        if (anonymous)
        {
            labels = new Dictionary<string, string>(labels ?? new Dictionary<string, string>()) { [AnonymousLabel] = "" };
        }

        var volume = new VolumeRecord
        {
            Name = name,
            Driver = driver,
            Created = _time.GetUtcNow(),
            Path = "",
            Labels = labels,
            Options = options is { Count: > 0 } ? options : null,
            Anonymous = anonymous,
        };
        var made = await DriverOf(driver, cancellation).ConfigureAwait(false);
        volume = await Asked($"create {name}", made.CreateAsync(volume, cancellation)).ConfigureAwait(false);
        lock (_gate)
        {
            Save(volume);
        }

        Reserve(user, name);
        _events.Publish("volume", "create", name, new Dictionary<string, string> { ["driver"] = volume.Driver });
        return volume;
    }

    /// <summary>Removes a volume and what is in it.</summary>
    /// <param name="name">Which.</param>
    /// <param name="force">Whether one that is not there is fine, and one whose plugin does not answer is forgotten.</param>
    /// <exception cref="EngineException">NotFound (not with <paramref name="force"/>); Conflict: a container uses it.</exception>
    public async Task Remove(string name, bool force)
    {
        using var held = await _locks.Enter(name).ConfigureAwait(false);
        var volume = Find(name) ?? await Foreign(name, CancellationToken.None).ConfigureAwait(false);
        if (volume is null)
        {
            if (force)
            {
                return;
            }

            throw EngineException.NotFound($"get {name}: no such volume");
        }

        CheckUnused(name);
        try
        {
            var driver = await DriverOf(volume.Driver, CancellationToken.None).ConfigureAwait(false);
            await Asked($"remove {name}", driver.RemoveAsync(volume, CancellationToken.None)).ConfigureAwait(false);
        }
        catch (EngineException) when (force && volume.Driver != Local)
        {
            // The plugin is gone, or cannot; whoever forces wants it off the list.
        }

        lock (_gate)
        {
            // Without its directory the row is a volume without content; the other way round the directory would become a volume again.
            _database.Write(c => c.Execute("DELETE FROM volumes_volumes WHERE name = $1", name));
            _volumes.Remove(name);
            _holders.Remove(name);
        }

        _events.Publish("volume", "destroy", name, new Dictionary<string, string> { ["driver"] = volume.Driver });
    }

    /// <summary>A container that exists uses these volumes: from here they cannot be removed.</summary>
    public void Reserve(string container, IEnumerable<string> names)
    {
        lock (_gate)
        {
            foreach (var name in names)
            {
                (_users.TryGetValue(name, out var users) ? users : _users[name] = []).Add(container);
            }
        }
    }

    /// <summary>The container is gone.</summary>
    public void Release(string container)
    {
        lock (_gate)
        {
            foreach (var (name, users) in _users.ToList())
            {
                if (users.Remove(container) && users.Count == 0)
                {
                    _users.Remove(name);
                }
            }
        }
    }

    /// <summary>A container that has run since before this engine has these volumes mounted.</summary>
    public void Hold(string container, IEnumerable<string> names)
    {
        lock (_gate)
        {
            foreach (var name in names)
            {
                (_holders.TryGetValue(name, out var holders) ? holders : _holders[name] = []).Add(container);
            }
        }
    }

    /// <summary>Makes the volume's content be on the host, for a container that is about to start, once however often it is asked. Gives the path.</summary>
    internal async Task<string> Mount(MountRecord mount, string container, CancellationToken cancellation)
    {
        var (path, isNew) = await MountFor(mount.Name!, container, cancellation).ConfigureAwait(false);
        if (isNew)
        {
            _events.Publish("volume", "mount", mount.Name!, new Dictionary<string, string>
            {
                ["driver"] = Find(mount.Name!)?.Driver ?? Local,
                ["container"] = container,
                ["destination"] = mount.Destination,
                ["read/write"] = mount.ReadOnly ? "false" : "true",
                ["propagation"] = mount.Propagation,
            });
        }

        return path;
    }

    /// <summary>The container has stopped. Does nothing when it has the volume not mounted.</summary>
    internal async Task Unmount(string name, string container)
    {
        if (await UnmountFor(name, container).ConfigureAwait(false) is { } volume)
        {
            _events.Publish("volume", "unmount", name, new Dictionary<string, string> { ["driver"] = volume.Driver, ["container"] = container });
        }
    }

    /// <summary>As <see cref="Mount"/>, for the engine's own use.</summary>
    internal async Task<(string Path, bool IsNew)> MountFor(string name, string user, CancellationToken cancellation)
    {
        using var held = await _locks.Enter(name, cancellation).ConfigureAwait(false);
        var volume = Find(name) ?? await Foreign(name, cancellation).ConfigureAwait(false) ?? throw EngineException.NotFound($"get {name}: no such volume");
        bool isFirst, isNew;
        lock (_gate)
        {
            var holders = _holders.GetValueOrDefault(name);
            isFirst = holders is not { Count: > 0 };
            isNew = holders?.Contains(user) != true;
        }

        if (!isNew)
        {
            return (volume.Path, false);
        }

        var driver = await DriverOf(volume.Driver, cancellation).ConfigureAwait(false);
        var path = await Asked($"mount {name}", driver.MountAsync(volume, user, isFirst, cancellation)).ConfigureAwait(false);
        Hold(user, [name]);
        if (path != volume.Path)
        {
            lock (_gate)
            {
                Save(volume with { Path = path });
            }
        }

        return (path, true);
    }

    /// <summary>As <see cref="Unmount"/>, for the engine's own use. Gives the volume when it was mounted.</summary>
    internal async Task<VolumeRecord?> UnmountFor(string name, string user)
    {
        using var held = await _locks.Enter(name).ConfigureAwait(false);
        bool isLast;
        lock (_gate)
        {
            if (!_volumes.ContainsKey(name) || !_holders.TryGetValue(name, out var holders) || !holders.Remove(user))
            {
                return null;
            }

            isLast = holders.Count == 0;
            if (isLast)
            {
                _holders.Remove(name);
            }
        }

        var volume = Get(name);
        try
        {
            var driver = await DriverOf(volume.Driver, CancellationToken.None).ConfigureAwait(false);
            await driver.UnmountAsync(volume, user, isLast, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is EngineException or PluginException or Linux.LinuxException)
        {
            // A container that has stopped stays stopped, whatever its plugin says.
        }

        return volume;
    }

    /// <summary>Takes away mounts that nobody holds: an engine that was killed may have left some. Before the first container starts.</summary>
    internal void Recover()
    {
        foreach (var volume in List().Where(VolumeMount.Has))
        {
            lock (_gate)
            {
                if (_holders.GetValueOrDefault(volume.Name) is not { Count: > 0 })
                {
                    VolumeMount.Unmount(volume);
                }
            }
        }
    }

    /// <summary>The driver's own words behind docker's <c>create x:</c>.</summary>
    private static async Task<T> Asked<T>(string what, Task<T> answer)
    {
        try
        {
            return await answer.ConfigureAwait(false);
        }
        catch (PluginException e)
        {
            throw EngineException.System($"{what}: {e.Message}", e);
        }
    }

    private static async Task Asked(string what, Task answer)
    {
        try
        {
            await answer.ConfigureAwait(false);
        }
        catch (PluginException e)
        {
            throw EngineException.System($"{what}: {e.Message}", e);
        }
    }

    private static string NameOf(string? driver) => driver is null or "" or "default" ? Local
        : driver.EndsWith(":latest", StringComparison.Ordinal) ? driver[..^":latest".Length] : driver;

    private static void CheckName(string name)
    {
        if (!ValidName().IsMatch(name))
        {
            throw EngineException.InvalidParameter(name.Length == 1
                ? "volume name is too short, names should be at least two alphanumeric characters"
                : $"create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path");
        }
    }

    private async Task<IVolumeDriver> DriverOf(string name, CancellationToken cancellation)
    {
        if (name == Local)
        {
            return _local;
        }

        try
        {
            return new PluginVolumeDriver(await _plugins.GetAsync(name, PluginVolumeDriver.Kind, cancellation).ConfigureAwait(false));
        }
        catch (PluginException e)
        {
            var message = $"error looking up volume plugin {name}: {e.Message}";
            throw e.IsNotFound ? EngineException.NotFound(message) : EngineException.System(message, e);
        }
    }

    /// <summary>A volume that a plugin has and nobody here has made; it is on record from now on.</summary>
    private async Task<VolumeRecord?> Foreign(string name, CancellationToken cancellation)
    {
        foreach (var plugin in await _plugins.FindAsync(PluginVolumeDriver.Kind, cancellation).ConfigureAwait(false))
        {
            var volume = new VolumeRecord { Name = name, Driver = plugin.Name, Created = default, Path = "" };
            if (await new PluginVolumeDriver(plugin).InspectAsync(volume, cancellation).ConfigureAwait(false) is { } state)
            {
                volume = volume with { Path = state.Path, Created = DateTimeOffset.TryParse(state.Created, out var created) ? created : default };
                lock (_gate)
                {
                    Save(volume);
                }

                return volume;
            }
        }

        return null;
    }

    private void Reserve(string? user, string name)
    {
        if (user is not null)
        {
            Reserve(user, [name]);
        }
    }

    private void CheckUnused(string name)
    {
        if (UsersOf(name) is { Count: > 0 } users)
        {
            throw EngineException.Conflict($"remove {name}: volume is in use - [{string.Join(", ", users)}]");
        }
    }

    /// <summary>Under the lock.</summary>
    private void Save(VolumeRecord volume)
    {
        _database.Write(c => c.Execute(
            "INSERT INTO volumes_volumes (name, record) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET record = $2",
            volume.Name,
            JsonSerializer.Serialize(volume, EngineJson.Default.VolumeRecord)));
        _volumes[volume.Name] = volume;
    }

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex ValidName();
}
