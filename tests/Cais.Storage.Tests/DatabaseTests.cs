using Microsoft.Data.Sqlite;

namespace Cais.Storage.Tests;

public sealed class DatabaseTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-db-").FullName;

    private string FilePath => Path.Combine(_directory, "x.db");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void What_was_written_is_there_after_opening_again()
    {
        using (var database = Database.Open(FilePath))
        {
            database.Migrate("t", "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)");
            database.Write(c => c.Execute("INSERT INTO t VALUES ($1, $2)", "a", 7), durable: true);
        }

        using var again = Database.Open(FilePath);
        Assert.Equal(7, again.Read(c => c.Scalar<long>("SELECT v FROM t WHERE k = $1", "a")));
    }

    [Fact]
    public void Each_step_of_a_migration_runs_once()
    {
        using var database = Database.Open(FilePath);
        database.Migrate("t", "CREATE TABLE t (k TEXT)");
        database.Migrate("t", "CREATE TABLE t (k TEXT)", "ALTER TABLE t ADD COLUMN v INTEGER");
        database.Migrate("t", "CREATE TABLE t (k TEXT)", "ALTER TABLE t ADD COLUMN v INTEGER");

        Assert.Throws<InvalidOperationException>(() => database.Migrate("t", "CREATE TABLE t (k TEXT)"));
        database.Write(c => c.Execute("INSERT INTO t VALUES ('a', 1)"));
    }

    [Fact]
    public void A_migration_that_fails_leaves_nothing()
    {
        using var database = Database.Open(FilePath);

        Assert.Throws<SqliteException>(() => database.Migrate("t", "CREATE TABLE t (k TEXT)", "nonsense"));

        Assert.Null(database.Read(c => c.Scalar<string>("SELECT name FROM sqlite_master WHERE name = 't'")));
        database.Migrate("t", "CREATE TABLE t (k TEXT)");
    }

    [Fact]
    public void A_write_that_throws_is_undone_and_the_next_one_works()
    {
        using var database = Database.Open(FilePath);
        database.Migrate("t", "CREATE TABLE t (k TEXT)");

        Assert.Throws<IOException>(() => database.Write(c =>
        {
            c.Execute("INSERT INTO t VALUES ('a')");
            throw new IOException();
        }));

        database.Write(c => c.Execute("INSERT INTO t VALUES ('b')"));
        Assert.Equal(["b"], database.Read(c => c.Query("SELECT k FROM t", r => r.GetString(0))));
    }

    [Fact]
    public async Task Readers_and_writers_on_many_threads_see_whole_transactions()
    {
        using var database = Database.Open(FilePath);
        database.Migrate("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 0), (2, 0)");
        var writers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50; i++)
            {
                database.Write(c => c.Execute("UPDATE t SET v = v + 1"));
            }
        }));
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 200; i++)
            {
                var values = database.Read(c => c.Query("SELECT v FROM t ORDER BY k", r => r.GetInt64(0)));
                Assert.Equal(values[0], values[1]);
            }
        }));

        await Task.WhenAll([.. writers, .. readers]);

        Assert.Equal(200, database.Read(c => c.Scalar<long>("SELECT v FROM t WHERE k = 1")));
    }

    [Fact]
    public void A_reader_cannot_write()
    {
        using var database = Database.Open(FilePath);
        Assert.Throws<SqliteException>(() => database.Read(c => c.Execute("CREATE TABLE t (k TEXT)")));
    }

    [Fact]
    public void Null_and_bytes_travel_as_parameters()
    {
        using var database = Database.Open(FilePath);
        database.Migrate("t", "CREATE TABLE t (a TEXT, b BLOB)");
        database.Write(c => c.Execute("INSERT INTO t VALUES ($1, $2)", null, new byte[] { 0, 255 }));

        Assert.Null(database.Read(c => c.Scalar<string>("SELECT a FROM t")));
        Assert.Equal([0, 255], database.Read(c => c.Scalar<byte[]>("SELECT b FROM t")));
    }
}
