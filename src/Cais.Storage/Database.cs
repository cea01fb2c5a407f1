using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Cais.Storage;

/// <summary>
/// The engine's metadata: one SQLite database in WAL mode, one writer at a time, readers beside it that never wait for the writer.
/// After a process death every committed write is there; after a power failure a write made with <c>durable</c> is there too, and others may
/// be missing from the end, never in part.
/// </summary>
public sealed class Database : IAsyncDisposable, IDisposable
{
    private const int IdleReaders = 2;
    private readonly string _path;
    private readonly SqliteConnection _writer;
    private readonly Lock _writing = new();
    private readonly ConcurrentBag<SqliteConnection> _readers = [];
    private bool _disposed;

    private Database(string path)
    {
        _path = path;
        _writer = Connect(readOnly: false);
    }

    /// <summary>Opens or creates the database; its directory must exist. Throws <see cref="SqliteException"/>.</summary>
    public static Database Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);

        // Microsoft.Data.Sqlite would find this by reflection, which a native program does not have.
        SQLitePCL.Batteries_V2.Init();
        var database = new Database(path);
        try
        {
            database._writer.Execute("PRAGMA journal_mode=WAL");
            database._writer.Execute("CREATE TABLE IF NOT EXISTS schema_component (name TEXT PRIMARY KEY, steps INTEGER NOT NULL) WITHOUT ROWID");
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Brings one component's tables up to date. <paramref name="steps"/> are its SQL scripts in the order they were ever added: each is run once,
    /// in a transaction with the note that it was. Never change a step that was released; append one. Throws <see cref="InvalidOperationException"/>
    /// if the database was written by a newer version of the component.
    /// </summary>
    public void Migrate(string component, params string[] steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        Write(connection =>
        {
            var done = connection.Scalar<long?>("SELECT steps FROM schema_component WHERE name = $1", component) ?? 0;
            if (done > steps.Length)
            {
                throw new InvalidOperationException(
                    $"{_path}: the tables of \"{component}\" were written by a newer version (step {done}, this one knows {steps.Length}): use that version");
            }

            foreach (var step in steps.Skip((int)done))
            {
                connection.Execute(step);
            }

            if (done < steps.Length)
            {
                connection.Execute(
                    "INSERT INTO schema_component (name, steps) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET steps = $2", component, steps.Length);
            }
        });
    }

    /// <summary>Runs a query on a consistent snapshot. The connection is the caller's until it returns, and read-only.</summary>
    public T Read<T>(Func<SqliteConnection, T> query)
    {
        ArgumentNullException.ThrowIfNull(query);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_readers.TryTake(out var connection))
        {
            connection = Connect(readOnly: true);
        }

        try
        {
            using var transaction = connection.BeginTransaction(deferred: true);
            return query(connection);
        }
        finally
        {
            if (_disposed || _readers.Count >= IdleReaders)
            {
                connection.Dispose();
            }
            else
            {
                _readers.Add(connection);
            }
        }
    }

    /// <summary>
    /// Runs <paramref name="inTransaction"/> in a transaction, which is rolled back if it throws. With <paramref name="durable"/> the commit is on
    /// the disk when this returns. Must not be called from within itself.
    /// </summary>
    public void Write(Action<SqliteConnection> inTransaction, bool durable = false)
    {
        ArgumentNullException.ThrowIfNull(inTransaction);
        Write(connection =>
        {
            inTransaction(connection);
            return 0;
        }, durable);
    }

    /// <inheritdoc cref="Write(Action{SqliteConnection}, bool)"/>
    public T Write<T>(Func<SqliteConnection, T> inTransaction, bool durable = false)
    {
        ArgumentNullException.ThrowIfNull(inTransaction);
        lock (_writing)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (durable)
            {
                _writer.Execute("PRAGMA synchronous=FULL");
            }

            try
            {
                using var transaction = _writer.BeginTransaction(deferred: false);
                var result = inTransaction(_writer);
                transaction.Commit();
                return result;
            }
            finally
            {
                if (durable)
                {
                    _writer.Execute("PRAGMA synchronous=NORMAL");
                }
            }
        }
    }

    public void Dispose()
    {
        lock (_writing)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            while (_readers.TryTake(out var reader))
            {
                reader.Dispose();
            }

            _writer.Dispose();
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private SqliteConnection Connect(bool readOnly)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = _path,
            Mode = readOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWriteCreate,
            Pooling = false,
        }.ToString());
        try
        {
            connection.Open();

            // A small page cache: the tables are small, and the kernel caches the file.
            connection.Execute("PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=10000; PRAGMA foreign_keys=ON; PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
