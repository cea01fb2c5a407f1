using System.Text.Json;
using System.Text.RegularExpressions;
using Cais.Api;
using Cais.Engine.Events;
using Cais.Linux.Status;
using Cais.Storage;

namespace Cais.Engine.Volumes;

/// <summary>
/// Named directories that outlive containers. What is in them is the user's: a directory without a row (the database was lost, or a crash came
/// between the two) becomes a volume again, and only one that was set aside for removal is deleted at start.
/// </summary>
public sealed partial class VolumeStore
{
    /// <summary>Docker's label on volumes that nobody named.</summary>
    private const string AnonymousLabel = "com.docker.volume.anonymous";

    /// <summary>Not a volume's name: those begin with a letter or digit.</summary>
    private const string RemovedPrefix = ".removed-";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, VolumeRecord> _volumes;
    private readonly Dictionary<string, HashSet<string>> _users = [];
    private readonly Dictionary<string, int> _mounts = [];
    private readonly Database _database;
    private readonly EventBus _events;
    private readonly TimeProvider _time;
    private readonly string _root;

    public VolumeStore(string root, Database database, EventBus events, TimeProvider time)
    {
        _root = root;
        _database = database;
        _events = events;
        _time = time;
        database.Migrate("volumes", "CREATE TABLE volumes_volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID");
        Directory.CreateDirectory(root);
        _volumes = database
            .Read(c => c.Query("SELECT record FROM volumes_volumes", r => JsonSerializer.Deserialize(r.GetString(0), EngineJson.Default.VolumeRecord)!))
            .ToDictionary(v => v.Name);
        foreach (var directory in Directory.EnumerateDirectories(root))
        {
            var name = Path.GetFileName(directory);
            if (name.StartsWith(RemovedPrefix, StringComparison.Ordinal))
            {
                Trees.Delete(directory);
            }
            else if (!_volumes.ContainsKey(name) && ValidName().IsMatch(name))
            {
                Keep(new VolumeRecord { Name = name, Created = Directory.GetCreationTimeUtc(directory), Path = Path.Combine(directory, "_data") });
            }
        }
    }

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

    /// <summary>Makes a volume, or finds the one that has the name already and was made the same way.</summary>
    public VolumeRecord Create(
        string? name, string? driver, IReadOnlyDictionary<string, string>? options, IReadOnlyDictionary<string, string>? labels)
    {
        if (driver is not (null or "" or "local" or "default"))
        {
            throw EngineException.NotFound($"error looking up volume plugin {driver}: plugin \"{driver}\" not found");
        }

        var anonymous = string.IsNullOrEmpty(name);
        name = anonymous ? RandomId.New() : name!;
        if (!ValidName().IsMatch(name))
        {
            throw EngineException.InvalidParameter(name.Length == 1
                ? "volume name is too short, names should be at least two alphanumeric characters"
                : $"create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path");
        }

        VolumeMount.Check(name, options);
        if (anonymous)
        {
            labels = new Dictionary<string, string>(labels ?? new Dictionary<string, string>()) { [AnonymousLabel] = "" };
        }

        VolumeRecord volume;
        lock (_gate)
        {
            if (_volumes.TryGetValue(name, out var existing))
            {
                return existing;
            }

            volume = new VolumeRecord
            {
                Name = name,
                Created = _time.GetUtcNow(),
                Path = Path.Combine(_root, name, "_data"),
                Labels = labels,
                Options = options is { Count: > 0 } ? options : null,
                Anonymous = anonymous,
            };
            Directory.CreateDirectory(volume.Path);
            PathAttributes.ChangeMode(Path.GetDirectoryName(volume.Path)!, 0b111_000_001);
            PathAttributes.ChangeMode(volume.Path, 0b111_101_101);
            Keep(volume);
        }

        _events.Publish("volume", "create", name, new Dictionary<string, string> { ["driver"] = volume.Driver });
        return volume;
    }

    /// <summary>Removes a volume and what is in it.</summary>
    /// <exception cref="EngineException">NotFound (not with <paramref name="force"/>); Conflict: a container uses it.</exception>
    public void Remove(string name, bool force)
    {
        VolumeRecord? volume;
        string aside;
        lock (_gate)
        {
            if (!_volumes.TryGetValue(name, out volume))
            {
                if (force)
                {
                    return;
                }

                throw EngineException.NotFound($"get {name}: no such volume");
            }

            if (_users.TryGetValue(name, out var users) && users.Count > 0)
            {
                throw EngineException.Conflict($"remove {name}: volume is in use - [{string.Join(", ", users)}]");
            }

            VolumeMount.Unmount(volume);
            _database.Write(c => c.Execute("DELETE FROM volumes_volumes WHERE name = $1", name));
            _volumes.Remove(name);
            aside = Path.Combine(_root, RemovedPrefix + RandomId.New());
            Directory.Move(Path.GetDirectoryName(volume.Path)!, aside);
        }

        Trees.Delete(aside);
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

    /// <summary>Makes the volume's content be at its path, for a container that is about to start.</summary>
    public void Mount(string name, string container)
    {
        var volume = Get(name);
        lock (_gate)
        {
            if (_mounts.GetValueOrDefault(name) == 0)
            {
                VolumeMount.Mount(volume);
            }

            _mounts[name] = _mounts.GetValueOrDefault(name) + 1;
        }

        _events.Publish("volume", "mount", name, Attributes(volume, container));
    }

    /// <summary>The container has stopped.</summary>
    public void Unmount(string name, string container)
    {
        VolumeRecord? volume;
        lock (_gate)
        {
            if (!_volumes.TryGetValue(name, out volume))
            {
                return;
            }

            _mounts[name] = Math.Max(0, _mounts.GetValueOrDefault(name) - 1);
            if (_mounts[name] == 0)
            {
                VolumeMount.Unmount(volume);
                _mounts.Remove(name);
            }
        }

        _events.Publish("volume", "unmount", name, new Dictionary<string, string> { ["driver"] = volume.Driver, ["container"] = container });
    }

    /// <summary>Removes volumes that no container uses: those without a name, or all.</summary>
    public VolumePruneResponse Prune(Filters filters, bool anonymousOnly)
    {
        filters.Accept("label", "label!", "all");
        var deleted = new List<string>();
        var freed = 0L;
        foreach (var volume in List())
        {
            if ((anonymousOnly && !volume.Anonymous) || UsersOf(volume.Name).Count > 0 || !filters.LabelsOf(volume.Labels))
            {
                continue;
            }

            var size = Trees.Size(volume.Path);
            try
            {
                Remove(volume.Name, force: true);
            }
            catch (EngineException)
            {
                // Taken into use meanwhile.
                continue;
            }

            deleted.Add(volume.Name);
            freed += size;
        }

        _events.Publish("volume", "prune", "", new Dictionary<string, string> { ["reclaimed"] = freed.ToString(System.Globalization.CultureInfo.InvariantCulture) });
        return new VolumePruneResponse { VolumesDeleted = deleted, SpaceReclaimed = freed };
    }

    /// <summary>Bytes of the files in it.</summary>
    public static long SizeOf(VolumeRecord volume) => Trees.Size(volume.Path);

    public static VolumeInfo Describe(VolumeRecord volume) => new()
    {
        Name = volume.Name,
        Driver = volume.Driver,
        Mountpoint = volume.Path,
        CreatedAt = volume.Created.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture),
        Labels = volume.Labels,
        Options = volume.Options,
        Scope = "local",
    };

    /// <summary>The listing with docker's filters.</summary>
    public VolumeListResponse List(Filters filters)
    {
        filters.Accept("dangling", "driver", "label", "name");
        var dangling = filters.Has("dangling") ? filters.Flag("dangling", false) : (bool?)null;
        return new VolumeListResponse
        {
            Volumes =
            [
                .. List()
                    .Where(v => filters["name"] is not { Count: > 0 } names || names.Any(n => v.Name.Contains(n, StringComparison.Ordinal)))
                    .Where(v => filters.Exact("driver", v.Driver) && filters.Labels("label", v.Labels))
                    .Where(v => dangling is null || dangling == (UsersOf(v.Name).Count == 0))
                    .Select(Describe),
            ],
        };
    }

    /// <summary>Under the lock.</summary>
    private void Keep(VolumeRecord volume)
    {
        _database.Write(c => c.Execute(
            "INSERT INTO volumes_volumes (name, record) VALUES ($1, $2)", volume.Name, JsonSerializer.Serialize(volume, EngineJson.Default.VolumeRecord)));
        _volumes[volume.Name] = volume;
    }

    private static Dictionary<string, string> Attributes(VolumeRecord volume, string container) => new()
    {
        ["driver"] = volume.Driver,
        ["container"] = container,
        ["destination"] = "",
        ["read/write"] = "true",
        ["propagation"] = "",
    };

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex ValidName();
}
