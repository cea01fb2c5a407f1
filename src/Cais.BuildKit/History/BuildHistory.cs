using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Cais.Linux.FileSystem;
using Cais.Storage;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.History;

/// <summary>
/// Builds that have ended, whatever became of the daemon since: their records are in the database, and what they said and stated is in files of a directory of each.
/// The directory is complete before there is a row; a directory without one is what a crash left, and is removed when the history is opened.
/// </summary>
internal sealed class BuildHistory
{
    private const string LogType = "application/vnd.buildkit.status.v0";
    private const string ErrorType = "application/vnd.googeapis.google.rpc.status+proto";
    private const string StatementType = "application/vnd.in-toto+json";
    private const string PredicateKey = "in-toto.io/predicate-type";

    /// <summary>The largest message of a log, in bytes: more is no log of ours.</summary>
    private const int LargestMessage = 64 << 20;

    private readonly Database _database;
    private readonly string _root;
    private readonly HistoryLimits _limits;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();

    /// <summary>Opens it. One process at a time.</summary>
    public BuildHistory(Database database, string root, HistoryLimits limits, TimeProvider time)
    {
        (_database, _root, _limits, _time) = (database, root, limits, time);
        database.Migrate(
            "build-history",
            """
            CREATE TABLE build_history (
              ref TEXT PRIMARY KEY, directory TEXT NOT NULL, completed_at INTEGER NOT NULL, size INTEGER NOT NULL, pinned INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
            CREATE TABLE build_history_content (digest TEXT NOT NULL, directory TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (digest, directory)) WITHOUT ROWID;
            """);
        Directory.CreateDirectory(root);
        var known = database.Read(c => c.Query("SELECT directory FROM build_history", r => r.GetString(0))).ToHashSet();
        foreach (var path in Directory.EnumerateDirectories(root).Where(p => !known.Contains(Path.GetFileName(p))))
        {
            Trees.Remove(path);
        }
    }

    /// <summary>Records, the oldest first.</summary>
    public IReadOnlyList<BuildHistoryRecord> List() => _database.Read(c => c.Query(
        "SELECT record, pinned FROM build_history ORDER BY completed_at, ref", r => Read(r.GetFieldValue<byte[]>(0), r.GetInt64(1))));

    /// <summary>A build's record, or null.</summary>
    public BuildHistoryRecord? Find(string reference) => _database.Read(c => c.Query(
        "SELECT record, pinned FROM build_history WHERE ref = $1", r => Read(r.GetFieldValue<byte[]>(0), r.GetInt64(1)), reference)).FirstOrDefault();

    /// <summary>
    /// Keeps a build that has ended: its record, which gets the descriptors of what is kept with it, all that it has said, and what was stated of its results.
    /// What the limits do not allow any more goes.
    /// </summary>
    public void Keep(BuildHistoryRecord record, IEnumerable<StatusResponse> log, IEnumerable<ResultStatement> statements)
    {
        var name = Guid.NewGuid().ToString("N");
        var temporary = Path.Combine(_root, "tmp-" + name);
        Directory.CreateDirectory(temporary);
        try
        {
            record.Logs = Write(temporary, LogType, file => WriteLog(file, log));
            if (record.Error is { } error)
            {
                record.ExternalError = Write(temporary, ErrorType, error.WriteTo);
            }

            foreach (var statement in statements)
            {
                var described = Write(temporary, StatementType, file => file.Write(statement.Predicate.Span));
                described.Annotations[PredicateKey] = statement.PredicateType;
                ResultOf(record, statement.Platform).Attestations.Add(described);
            }

            Directory.Move(temporary, Path.Combine(_root, name));
        }
        catch
        {
            Trees.Remove(temporary);
            throw;
        }

        var contents = Contents(record).DistinctBy(d => d.Digest).ToList();
        var completed = (record.CompletedAt ?? Timestamp.FromDateTimeOffset(_time.GetUtcNow())).ToDateTimeOffset().ToUnixTimeMilliseconds();
        lock (_gate)
        {
            Delete(record.Ref);
            _database.Write(c =>
            {
                c.Execute(
                    "INSERT INTO build_history (ref, directory, completed_at, size, pinned, record) VALUES ($1, $2, $3, $4, 0, $5)",
                    record.Ref, name, completed, contents.Sum(d => d.Size), record.ToByteArray());
                foreach (var content in contents)
                {
                    c.Execute("INSERT INTO build_history_content (digest, directory, size) VALUES ($1, $2, $3)", content.Digest, name, content.Size);
                }
            });
            Collect();
        }
    }

    /// <summary>Keeps a build whatever the limits say, or no more. False if there is none of that ref.</summary>
    public bool Pin(string reference, bool isPinned) =>
        _database.Write(c => c.Execute("UPDATE build_history SET pinned = $2 WHERE ref = $1", reference, isPinned ? 1 : 0)) > 0;

    /// <summary>Forgets a build. False if there is none of that ref.</summary>
    public bool Delete(string reference)
    {
        lock (_gate)
        {
            var directory = _database.Write(c =>
            {
                var found = c.Scalar<string>("SELECT directory FROM build_history WHERE ref = $1", reference);
                c.Execute("DELETE FROM build_history WHERE ref = $1", reference);
                c.Execute("DELETE FROM build_history_content WHERE directory = $1", found);
                return found;
            });
            if (directory is null)
            {
                return false;
            }

            Trees.Remove(Path.Combine(_root, directory));
            return true;
        }
    }

    /// <summary>All that a build has said, from the beginning. Throws <see cref="InvalidDataException"/> or <see cref="IOException"/> if the log is damaged.</summary>
    public async IAsyncEnumerable<StatusResponse> ReadLogAsync(BuildHistoryRecord record, [EnumeratorCancellation] CancellationToken cancellation)
    {
        if (record.Logs is not { } logs || OpenContent(logs.Digest) is not { } file)
        {
            yield break;
        }

        await using (file)
        {
            var length = new byte[4];
            while (await file.ReadAtLeastAsync(length, length.Length, throwOnEndOfStream: false, cancellation) == length.Length)
            {
                var size = BinaryPrimitives.ReadUInt32LittleEndian(length);
                var message = size <= LargestMessage ? new byte[size] : throw new InvalidDataException($"the log of the build {record.Ref} is damaged");
                await file.ReadExactlyAsync(message, cancellation);
                yield return StatusResponse.Parser.ParseFrom(message);
            }
        }
    }

    /// <summary>Something that a record describes, to be read; null if nothing has that digest.</summary>
    public FileStream? OpenContent(string digest)
    {
        var directory = _database.Read(c => c.Scalar<string>("SELECT directory FROM build_history_content WHERE digest = $1", digest));
        try
        {
            return directory is null ? null : new FileStream(PathOf(Path.Combine(_root, directory), digest), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Forgotten in this moment.
            return null;
        }
    }

    /// <summary>Forgets what the limits do not allow.</summary>
    private void Collect()
    {
        var oldest = (_time.GetUtcNow() - _limits.MaxAge).ToUnixTimeMilliseconds();
        var all = _database.Read(c => c.Query(
            "SELECT ref, completed_at, size FROM build_history WHERE pinned = 0 ORDER BY completed_at DESC, ref", r => (Ref: r.GetString(0), CompletedAt: r.GetInt64(1), Size: r.GetInt64(2))));
        long total = 0;
        for (var i = 0; i < all.Count; i++)
        {
            total += all[i].Size;
            if ((i >= _limits.MaxEntries && all[i].CompletedAt < oldest) || (i > 0 && total > _limits.MaxBytes))
            {
                Delete(all[i].Ref);
            }
        }
    }

    /// <summary>Without a platform the only result.</summary>
    private static BuildResultInfo ResultOf(BuildHistoryRecord record, string? platform)
    {
        if (platform is null)
        {
            return record.Result ??= new BuildResultInfo();
        }

        if (!record.Results.TryGetValue(platform, out var result))
        {
            record.Results[platform] = result = new BuildResultInfo();
        }

        return result;
    }

    private static BuildHistoryRecord Read(byte[] bytes, long pinned)
    {
        var record = BuildHistoryRecord.Parser.ParseFrom(bytes);
        record.Pinned = pinned != 0;
        return record;
    }

    private static IEnumerable<ContentDescriptor> Contents(BuildHistoryRecord record) =>
        ((ContentDescriptor?[])[record.Logs, record.ExternalError]).OfType<ContentDescriptor>().Concat((record.Result is { } only ? record.Results.Values.Append(only) : record.Results.Values).SelectMany(r => r.Attestations));

    /// <summary>The form that BuildKit's history has: each message behind its length, four bytes, the lowest first.</summary>
    private static void WriteLog(Stream file, IEnumerable<StatusResponse> log)
    {
        Span<byte> length = stackalloc byte[4];
        foreach (var message in log)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)message.CalculateSize());
            file.Write(length);
            message.WriteTo(file);
        }
    }

    private static ContentDescriptor Write(string directory, string mediaType, Action<Stream> write)
    {
        var path = Path.Combine(directory, "new");
        string digest;
        long size;
        using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite))
        {
            write(file);
            file.Flush();
            size = file.Length;
            file.Position = 0;
            digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(file));
        }

        File.Move(path, PathOf(directory, digest), overwrite: true);
        return new ContentDescriptor { MediaType = mediaType, Digest = digest, Size = size };
    }

    private static string PathOf(string directory, string digest) => Path.Combine(directory, digest["sha256:".Length..]);
}

/// <summary>Something stated about a result, as it is shown with the build.</summary>
/// <param name="Platform">Null for the only result.</param>
internal sealed record ResultStatement(string? Platform, string PredicateType, ReadOnlyMemory<byte> Predicate);
