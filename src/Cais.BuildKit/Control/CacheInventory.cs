using Cais.Build.Cache;
using Cais.BuildKit.Files;
using Cais.BuildKit.Grpc;
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
        var filter = FilterOf(request.Filter);
        var response = new DiskUsageResponse();
        response.Record.Add(builds.Cache.Usage().Select(Describe).Concat(contexts.Usage().Select(Describe))
            .Where(r => Matches(r, filter) && (age == TimeSpan.Zero || r.LastUsedAt.ToDateTimeOffset() <= time.GetUtcNow() - age)));
        return response;
    }

    /// <summary>Removes what the request does not want to keep, and gives what it was.</summary>
    public IReadOnlyList<UsageRecord> Prune(PruneRequest request)
    {
        var filter = FilterOf(request.Filter);
        var spare = request.KeepDuration > 0 ? TimeSpan.FromMicroseconds(request.KeepDuration / 1000.0) : (TimeSpan?)null;
        var options = new PruneOptions
        {
            Keep = request.MaxUsedSpace,
            Reserved = request.ReservedSpace,
            MinFree = request.MinFreeSpace,
            Spare = spare,
            All = request.All,
            Filter = filter,
        };
        List<UsageRecord> removed = [.. builds.Prune(options).Select(Describe)];
        if (request is { MaxUsedSpace: 0, ReservedSpace: 0, MinFreeSpace: 0 })
        {
            removed.AddRange(contexts.Prune(c => Matches(Describe(c), filter) && (spare is null || c.LastUsed <= time.GetUtcNow().UtcDateTime - spare)).Select(Describe));
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
        Mutable = usage.Type == CacheUsage.CacheMount,
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

    private static CacheFilter FilterOf(IEnumerable<string> filters)
    {
        try
        {
            return CacheFilter.Parse(filters);
        }
        catch (FormatException e)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, e.Message, e);
        }
    }

    private static bool Matches(UsageRecord record, CacheFilter filter) => filter.Matches(
        field => CacheFilter.FieldOf(field, record.ID, record.Description, record.RecordType, record.InUse, record.Shared, record.Mutable));
}
