using Cais.BuildKit.History;
using Cais.Storage;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Tests.History;

public sealed class BuildHistoryTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("history-").FullName;
    private readonly Database _database;

    public BuildHistoryTests() => _database = Database.Open(Path.Combine(_root, "cais.db"));

    public void Dispose()
    {
        _database.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task What_was_kept_is_there_when_it_is_opened_again()
    {
        var record = Record("one", 0);
        record.Error = new Google.Rpc.Status { Code = 3, Message = "wrong" };
        Open().Keep(record, [Said("first"), Said("second")], [new ResultStatement(null, "https://slsa.dev/provenance/v0.2", "{}"u8.ToArray())]);
        var history = Open();
        var found = history.Find("one")!;
        Assert.Equal("wrong", found.Error.Message);
        Assert.Equal(["first", "second"], (await history.ReadLogAsync(found, TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken)).Select(s => s.Logs[0].Msg.ToStringUtf8()));
        await using var statement = history.OpenContent(Assert.Single(found.Result.Attestations).Digest)!;
        Assert.Equal(2, statement.Length);
        await using var error = history.OpenContent(found.ExternalError.Digest)!;
        Assert.Equal("wrong", Google.Rpc.Status.Parser.ParseFrom(error).Message);
    }

    [Fact]
    public void A_build_goes_when_it_is_old_and_one_too_many()
    {
        var history = Open(new HistoryLimits(TimeSpan.FromHours(1), 2));
        foreach (var (name, minutes) in new[] { ("old", -120), ("older but pinned", -180), ("new", -3), ("newer", -2), ("newest", -1) })
        {
            history.Keep(Record(name, minutes), [Said(name)], []);
            if (name.EndsWith("pinned", StringComparison.Ordinal))
            {
                Assert.True(history.Pin(name, true));
            }
        }

        Assert.Equal(["older but pinned", "new", "newer", "newest"], history.List().Select(r => r.Ref));
        Assert.True(history.List()[0].Pinned);
    }

    [Fact]
    public void Logs_have_a_bound_whatever_the_age()
    {
        var history = Open(new HistoryLimits(TimeSpan.FromDays(9), 100, MaxBytes: 1000));
        for (var i = 0; i < 5; i++)
        {
            history.Keep(Record($"b{i}", i - 10), [Said(new string('x', 400))], []);
        }

        Assert.Equal(["b3", "b4"], history.List().Select(r => r.Ref));
        Assert.Equal(2, Directory.GetDirectories(Path.Combine(_root, "history")).Length);
    }

    [Fact]
    public void What_is_forgotten_and_what_a_crash_left_takes_no_room()
    {
        var history = Open();
        history.Keep(Record("gone", 0), [Said("x")], []);
        var log = history.Find("gone")!.Logs.Digest;
        Assert.True(history.Delete("gone"));
        Assert.False(history.Delete("gone"));
        Assert.False(history.Pin("gone", true));
        Assert.Null(history.OpenContent(log));
        Directory.CreateDirectory(Path.Combine(_root, "history/tmp-123"));
        Directory.CreateDirectory(Path.Combine(_root, "history/without-row"));
        Open();
        Assert.Empty(Directory.GetDirectories(Path.Combine(_root, "history")));
    }

    private BuildHistory Open(HistoryLimits? limits = null) => new(_database, Path.Combine(_root, "history"), limits ?? HistoryLimits.Default, TimeProvider.System);

    private static BuildHistoryRecord Record(string name, int minutes) =>
        new() { Ref = name, CompletedAt = Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow.AddMinutes(minutes)) };

    private static StatusResponse Said(string text) => new() { Logs = { new VertexLog { Vertex = "v", Msg = ByteString.CopyFromUtf8(text) } } };
}
