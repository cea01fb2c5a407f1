using System.Text.Json;
using Cais.Storage;

namespace Cais.Engine.Containers;

/// <summary>All containers, by id and name, in memory and in the database. Names are unique, and free again the moment a container is gone.</summary>
internal sealed class ContainerStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Container> _byId = [];
    private readonly Dictionary<string, string> _idByName = [];
    private readonly LinkIndex _links = new();
    private readonly Database _database;

    public ContainerStore(Database database)
    {
        _database = database;
        database.Migrate(
            "containers",
            "CREATE TABLE containers_containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL, status TEXT NOT NULL) WITHOUT ROWID");
        foreach (var container in database.Read(c => c.Query("SELECT record, status FROM containers_containers", r => new Container(
            JsonSerializer.Deserialize(r.GetString(0), EngineJson.Default.ContainerRecord)!,
            JsonSerializer.Deserialize(r.GetString(1), EngineJson.Default.ContainerStatus)!))))
        {
            _byId[container.Id] = container;
            _idByName[container.Name] = container.Id;
            _links.Add(container.Record);
        }
    }

    /// <summary>All containers, the newest first.</summary>
    public IReadOnlyList<Container> List()
    {
        lock (_gate)
        {
            return [.. _byId.Values.OrderByDescending(c => c.Record.Created)];
        }
    }

    /// <summary>By full id, name (also <c>parent/alias</c>, for one that is linked to), or unambiguous start of an id, in this order.</summary>
    /// <exception cref="EngineException">NotFound: <c>No such container: x</c>; InvalidParameter: more than one begins so.</exception>
    public Container Get(string nameOrId) => Find(nameOrId) ?? throw EngineException.NotFound($"No such container: {nameOrId}");

    public Container? Find(string nameOrId)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(nameOrId, out var found)
                || (_idByName.TryGetValue(nameOrId.TrimStart('/'), out var id) && _byId.TryGetValue(id, out found))
                || (nameOrId.Contains('/') && _links.Find(nameOrId.TrimStart('/')) is { } linked && _byId.TryGetValue(linked, out found)))
            {
                return found;
            }

            if (nameOrId.Length is 0 or > 64)
            {
                return null;
            }

            foreach (var (candidate, container) in _byId)
            {
                if (candidate.StartsWith(nameOrId, StringComparison.Ordinal))
                {
                    if (found is not null)
                    {
                        throw EngineException.InvalidParameter($"multiple IDs found with provided prefix: {nameOrId}");
                    }

                    found = container;
                }
            }

            return found;
        }
    }

    /// <summary>The containers that link to this one, and the names that they have for it, by the parent's name and then the alias.</summary>
    public IReadOnlyList<(Container Parent, string Alias)> LinksTo(string id)
    {
        lock (_gate)
        {
            return [.. _links.To(id).Select(l => (Parent: _byId.GetValueOrDefault(l.Parent), l.Alias)).Where(l => l.Parent is not null).Select(l => (l.Parent!, l.Alias))
                .OrderBy(l => l.Item1.Name, StringComparer.Ordinal).ThenBy(l => l.Alias, StringComparer.Ordinal)];
        }
    }

    public bool IsNameTaken(string name)
    {
        lock (_gate)
        {
            return _idByName.ContainsKey(name);
        }
    }

    /// <summary>Reserves a name for a container that is being made.</summary>
    /// <exception cref="EngineException">Conflict, in docker's words, naming the container that has it.</exception>
    public void Reserve(string name, string id)
    {
        lock (_gate)
        {
            if (_idByName.TryGetValue(name, out var owner))
            {
                throw EngineException.Conflict(
                    $"Conflict. The container name \"/{name}\" is already in use by container \"{owner}\". You have to remove (or rename) that container to be able to reuse that name.");
            }

            _idByName[name] = id;
        }
    }

    public void Release(string name, string id)
    {
        lock (_gate)
        {
            if (_idByName.GetValueOrDefault(name) == id)
            {
                _idByName.Remove(name);
            }
        }
    }

    /// <summary>Keeps a new container, whose name is reserved.</summary>
    public Container Add(ContainerRecord record)
    {
        var container = new Container(record, new ContainerStatus());
        _database.Write(c => c.Execute(
            "INSERT INTO containers_containers (id, name, record, status) VALUES ($1, $2, $3, $4)",
            record.Id,
            record.Name,
            Json(record),
            Json(container.Status)));
        lock (_gate)
        {
            _byId[record.Id] = container;
            _links.Add(record);
        }

        return container;
    }

    public void Update(Container container, ContainerStatus status)
    {
        _database.Write(c => c.Execute("UPDATE containers_containers SET status = $2 WHERE id = $1", container.Id, Json(status)));
        container.Status = status;
    }

    public void Update(Container container, ContainerRecord record)
    {
        _database.Write(c => c.Execute("UPDATE containers_containers SET name = $2, record = $3 WHERE id = $1", container.Id, record.Name, Json(record)));
        lock (_gate)
        {
            _links.Remove(container.Record);
            container.Record = record;
            _links.Add(record);
        }
    }

    public void Remove(Container container)
    {
        _database.Write(c => c.Execute("DELETE FROM containers_containers WHERE id = $1", container.Id));
        lock (_gate)
        {
            _byId.Remove(container.Id);
            _links.Remove(container.Record);
            Release(container.Name, container.Id);
        }
    }

    private static string Json(ContainerRecord record) => JsonSerializer.Serialize(record, EngineJson.Default.ContainerRecord);

    private static string Json(ContainerStatus status) => JsonSerializer.Serialize(status, EngineJson.Default.ContainerStatus);
}
