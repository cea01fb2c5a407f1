using System.Globalization;
using System.Text.Json;
using Cais.Build.Cache;
using Cais.Engine;

namespace Cais.Daemon.Configuration;

/// <summary>daemon.json's <c>builder</c>: the build cache's limits, what builds may ask for, and how much of their history is kept.</summary>
internal sealed record BuilderSettings
{
    public bool CollectGarbage { get; init; } = true;

    /// <summary>Each in order; empty takes dockerd's defaults.</summary>
    public IReadOnlyList<CachePolicy> Policies { get; init; } = [];

    /// <summary>Cache that is always kept: bytes, or a share of the disk as <c>10%</c>. Null for the default.</summary>
    public string? ReservedSpace { get; init; }

    public string? MaxUsedSpace { get; init; }

    public string? MinFreeSpace { get; init; }

    public TimeSpan? HistoryAge { get; init; }

    public int? HistoryEntries { get; init; }

    /// <summary>Reads the object. As dockerd does it takes names in any case and passes over those that it does not know.</summary>
    /// <exception cref="ConfigurationException">A value is not of its kind, or forbids what this engine cannot forbid.</exception>
    public static BuilderSettings Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        var settings = new BuilderSettings();
        foreach (var part in document.RootElement.EnumerateObject())
        {
            settings = part.Name.ToLowerInvariant() switch
            {
                "gc" => Collection(settings, Object(part)),
                "entitlements" => Entitlements(settings, Object(part)),
                "history" => History(settings, Object(part)),
                _ => settings,
            };
        }

        return settings;
    }

    /// <summary>When the build cache on the disk of <paramref name="root"/> is made smaller by itself; null if it never is.</summary>
    public CacheLimits? Limits(string root)
    {
        if (!CollectGarbage)
        {
            return null;
        }

        string?[] given = [ReservedSpace, MaxUsedSpace, MinFreeSpace];
        var usual = CacheLimits.Default;
        if (Array.TrueForAll(given, g => g is null or [.., '%']))
        {
            return new CacheLimits(Percent(ReservedSpace) ?? usual.Reserved, Percent(MaxUsedSpace) ?? usual.MaxUsed, Percent(MinFreeSpace) ?? usual.MinFree, DiskPercent: true);
        }

        var hundredth = new Lazy<long>(() => new DriveInfo(Existing(root)).TotalSize / 100);
        return new CacheLimits(Bytes(ReservedSpace), Bytes(MaxUsedSpace), Bytes(MinFreeSpace));

        long Bytes(string? text) => Percent(text) is { } percent ? percent * hundredth.Value : Sizes.TryParse(text, out var bytes) ? bytes : 0;
    }

    /// <summary>The directory, or the nearest above it that is there already.</summary>
    private static string Existing(string path) => Directory.Exists(path) ? path : Existing(Path.GetDirectoryName(path) ?? "/");

    private static long? Percent(string? text) => text is [.. var number, '%'] ? long.Parse(number, CultureInfo.InvariantCulture) : null;

    private static BuilderSettings Collection(BuilderSettings settings, JsonElement gc)
    {
        foreach (var part in gc.EnumerateObject())
        {
            settings = part.Name.ToLowerInvariant() switch
            {
                "enabled" => settings with { CollectGarbage = Bool(part) },
                "defaultreservedspace" or "defaultkeepstorage" => settings with { ReservedSpace = Space(part) },
                "defaultmaxusedspace" => settings with { MaxUsedSpace = Space(part) },
                "defaultminfreespace" => settings with { MinFreeSpace = Space(part) },
                "policy" => settings with { Policies = [.. List(part).Select(Policy)] },
                _ => settings,
            };
        }

        return settings;
    }

    private static CachePolicy Policy(JsonElement rule)
    {
        if (rule.ValueKind != JsonValueKind.Object)
        {
            throw new ConfigurationException("builder.gc.policy: a list of objects was expected");
        }

        var policy = new CachePolicy();
        foreach (var part in rule.EnumerateObject())
        {
            policy = part.Name.ToLowerInvariant() switch
            {
                "all" => policy with { All = Bool(part) },
                "filter" when part.Value.ValueKind == JsonValueKind.Array => policy with { Filter = [.. List(part).Select(f => f.ToString())] },
                "reservedspace" or "keepstorage" => policy with { ReservedSpace = Space(part) },
                "maxusedspace" => policy with { MaxUsedSpace = Space(part) },
                "minfreespace" => policy with { MinFreeSpace = Space(part) },
                _ => policy,
            };
        }

        return policy;
    }

    private static BuilderSettings Entitlements(BuilderSettings settings, JsonElement entitlements)
    {
        foreach (var part in entitlements.EnumerateObject())
        {
            switch (part.Name.ToLowerInvariant())
            {
                case "network-host" or "device" when !Bool(part):
                    throw new ConfigurationException($"builder.entitlements.{part.Name}=false is not supported: builds cannot be kept from it by this engine");
                case "security-insecure" when Bool(part):
                    throw new ConfigurationException("builder.entitlements.security-insecure=true is not supported: whoever starts a build decides, with --allow security.insecure");
            }
        }

        return settings;
    }

    private static BuilderSettings History(BuilderSettings settings, JsonElement history)
    {
        foreach (var part in history.EnumerateObject())
        {
            settings = part.Name.ToLowerInvariant() switch
            {
                "maxentries" => settings with
                {
                    HistoryEntries = part.Value.ValueKind == JsonValueKind.Number && part.Value.TryGetInt32(out var count) ? count : throw Wrong(part, "a number"),
                },
                "maxage" => settings with
                {
                    HistoryAge = part.Value.ValueKind == JsonValueKind.Number && part.Value.TryGetInt64(out var seconds) ? TimeSpan.FromSeconds(seconds)
                        : part.Value.ValueKind == JsonValueKind.String && Durations.TryParse(part.Value.GetString()!, out var age) ? age
                        : throw Wrong(part, "seconds or a duration"),
                },
                _ => settings,
            };
        }

        return settings;
    }

    private static JsonElement Object(JsonProperty part) => part.Value.ValueKind == JsonValueKind.Object ? part.Value : throw Wrong(part, "an object");

    private static JsonElement.ArrayEnumerator List(JsonProperty part) => part.Value.ValueKind == JsonValueKind.Array ? part.Value.EnumerateArray() : throw Wrong(part, "a list");

    private static bool Bool(JsonProperty part) => part.Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? part.Value.GetBoolean() : throw Wrong(part, "true or false");

    /// <summary>Bytes, <c>10GB</c> or <c>15%</c>.</summary>
    private static string Space(JsonProperty part)
    {
        var text = part.Value.ValueKind is JsonValueKind.String or JsonValueKind.Number ? part.Value.ToString() : throw Wrong(part, "a size");
        var isShare = text.EndsWith('%') && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var share) && share <= 100;
        return isShare || Sizes.TryParse(text, out _) ? text : throw Wrong(part, "a size or a share of the disk");
    }

    private static ConfigurationException Wrong(JsonProperty part, string wanted) => new($"builder: {part.Name}: {wanted} was expected, found {part.Value.GetRawText()}");
}

/// <summary>One rule of the build cache's collection.</summary>
internal sealed record CachePolicy
{
    public bool All { get; init; }

    public IReadOnlyList<string> Filter { get; init; } = [];

    public string? ReservedSpace { get; init; }

    public string? MaxUsedSpace { get; init; }

    public string? MinFreeSpace { get; init; }
}
