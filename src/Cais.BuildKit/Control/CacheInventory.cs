using Cais.Build.Cache;
using Cais.BuildKit.Files;
using Cais.Engine.Builds;
using Google.Protobuf.WellKnownTypes;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Control;

/// <summary>What builds keep for builds to come, and its removal: layers that steps made, and clients' files.</summary>
internal sealed class CacheInventory(BuildService builds, ContextStore contexts, TimeProvider time)
{
    private const string Context = "source.local";

    public DiskUsageResponse Usage(DiskUsageRequest request)
    {
        var age = TimeSpan.FromMicroseconds(request.AgeLimit / 1000.0);
        var response = new DiskUsageResponse();
        response.Record.Add(builds.Cache.Usage().Select(Describe).Concat(contexts.Usage().Select(Describe))
            .Where(r => Matches(r, request.Filter) && (age == TimeSpan.Zero || r.LastUsedAt.ToDateTimeOffset() <= time.GetUtcNow() - age)));
        return response;
    }

    /// <summary>Removes what the request does not want to keep, and gives what it was.</summary>
    public IReadOnlyList<UsageRecord> Prune(PruneRequest request)
    {
        var keep = Math.Max(request.ReservedSpace, request.MaxUsedSpace);
        var spare = request.KeepDuration > 0 ? TimeSpan.FromMicroseconds(request.KeepDuration / 1000.0) : (TimeSpan?)null;
        string? FilterOf(string name) => request.Filter.SelectMany(f => f.Split(',')).Where(f => f.StartsWith(name, StringComparison.Ordinal))
            .Select(f => f[name.Length..].TrimStart('=', '~')).FirstOrDefault();
        var (type, id, description) = (FilterOf("type"), FilterOf("id"), FilterOf("description"));
        var removed = new List<UsageRecord>();
        if (type is null or not Context)
        {
            var options = new PruneOptions { Keep = keep, Spare = spare, All = request.All, Type = type, Id = id, Description = description };
            removed.AddRange(builds.Prune(options).Select(Describe));
        }

        if (type == Context || (type is null && id is null && description is null && keep == 0 && spare is null))
        {
            removed.AddRange(contexts.Prune().Select(Describe));
        }

        return removed;
    }

    private static UsageRecord Describe(CacheUsage usage) => new()
    {
        ID = usage.Id,
        Description = usage.Description,
        Size = usage.Size,
        CreatedAt = Timestamp.FromDateTimeOffset(usage.Created),
        LastUsedAt = Timestamp.FromDateTimeOffset(usage.LastUsed),
        UsageCount = usage.UseCount,
        RecordType = usage.Type,
        InUse = usage.IsInUse,
        Shared = usage.IsShared,
    };

    private static UsageRecord Describe((string Id, long Size, DateTime LastUsed) context) => new()
    {
        ID = context.Id,
        Description = "local source for context",
        Size = context.Size,
        Mutable = true,
        CreatedAt = Timestamp.FromDateTime(context.LastUsed),
        LastUsedAt = Timestamp.FromDateTime(context.LastUsed),
        UsageCount = 1,
        RecordType = Context,
    };

    private static bool Matches(UsageRecord record, IEnumerable<string> filters)
    {
        var wanted = filters.ToList();
        return wanted.Count == 0 || wanted.Exists(f => f.Split(',').All(part => part.Split("==", 2) switch
        {
            ["id", var id] => record.ID == id,
            ["type", var type] => record.RecordType == type,
            ["description", var description] => record.Description == description,
            _ => true,
        }));
    }
}
