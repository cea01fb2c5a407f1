using System.Text.Json;
using Cais.Networking.Plugins;
using Cais.Storage;

namespace Cais.Networking.State;

/// <summary>
/// Networks and sandboxes on record. A sandbox's row is the allocation of everything in it (addresses, ports, namespace): written before the
/// kernel is asked for anything, deleted when all is given up. So a crash at any point leaves a row or nothing, never half of one.
/// </summary>
internal sealed class NetworkStore
{
    private readonly Database _database;

    public NetworkStore(Database database)
    {
        _database = database;
        database.Migrate(
            "network",
            """
            CREATE TABLE network_networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE network_sandboxes (container TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE network_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            """,
            "CREATE TABLE network_leases (endpoint TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID");
    }

    /// <summary>What plugins have given to endpoints.</summary>
    public List<RemoteLease> Leases() => _database.Read(c =>
        c.Query("SELECT record FROM network_leases", r => JsonSerializer.Deserialize(r.GetString(0), NetworkJson.Default.RemoteLease)!));

    /// <summary>Durable: plugins keep what they gave, also over a power failure.</summary>
    public void Save(RemoteLease lease) => _database.Write(
        c => c.Execute(
            "INSERT INTO network_leases (endpoint, record) VALUES ($1, $2) ON CONFLICT (endpoint) DO UPDATE SET record = $2",
            lease.Endpoint.EndpointId,
            JsonSerializer.Serialize(lease, NetworkJson.Default.RemoteLease)),
        durable: true);

    public void DeleteLease(string endpointId) => _database.Write(c => c.Execute("DELETE FROM network_leases WHERE endpoint = $1", endpointId));

    public List<Network> Networks() => _database.Read(c =>
        c.Query("SELECT record FROM network_networks ORDER BY name", r => JsonSerializer.Deserialize(r.GetString(0), NetworkJson.Default.Network)!));

    public List<SandboxRecord> Sandboxes() => _database.Read(c =>
        c.Query("SELECT record FROM network_sandboxes", r => JsonSerializer.Deserialize(r.GetString(0), NetworkJson.Default.SandboxRecord)!));

    public void Save(Network network) => _database.Write(
        c => c.Execute(
            "INSERT INTO network_networks (id, name, record) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = $2, record = $3",
            network.Id,
            network.Name,
            JsonSerializer.Serialize(network, NetworkJson.Default.Network)),
        durable: true);

    public void DeleteNetwork(string id) => _database.Write(c => c.Execute("DELETE FROM network_networks WHERE id = $1", id), durable: true);

    /// <summary>Not durable against a power failure, and need not be: no namespace survives one.</summary>
    public void Save(SandboxRecord record) => _database.Write(c => c.Execute(
        "INSERT INTO network_sandboxes (container, record) VALUES ($1, $2) ON CONFLICT (container) DO UPDATE SET record = $2",
        record.Sandbox.ContainerId,
        JsonSerializer.Serialize(record, NetworkJson.Default.SandboxRecord)));

    public void DeleteSandbox(string containerId) => _database.Write(c => c.Execute("DELETE FROM network_sandboxes WHERE container = $1", containerId));

    /// <summary>A value that is chosen once for this database: the one on record, or <paramref name="choose"/>'s from now on.</summary>
    public string Setting(string name, Func<string> choose) => _database.Write(c =>
    {
        if (c.Scalar<string>("SELECT value FROM network_settings WHERE name = $1", name) is { } value)
        {
            return value;
        }

        value = choose();
        c.Execute("INSERT INTO network_settings (name, value) VALUES ($1, $2)", name, value);
        return value;
    });
}
