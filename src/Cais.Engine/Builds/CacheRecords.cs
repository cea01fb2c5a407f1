using System.Text.Json;
using System.Text.Json.Serialization;
using Cais.Build.Cache;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>
/// A cache as it travels: an image like any other, of all layers that results are made of, with a label that says which key leads to which result. So
/// it can be pushed, pulled, saved and looked at with what there is for images; an image can carry its own cache inline.
/// </summary>
internal static class CacheRecords
{
    public const string Label = "dev.cais.build.cache.v1";

    public static string Write(IEnumerable<(Digest Key, StepResult Result)> results, IReadOnlyList<Digest> diffIds, Func<LayerReference, Digest?> diffIdOf)
    {
        var places = new Dictionary<Digest, int>();
        for (var i = 0; i < diffIds.Count; i++)
        {
            places.TryAdd(diffIds[i], i);
        }

        var records = new List<CacheRecord>();
        foreach (var (key, result) in results)
        {
            var layers = result.Layers.Select(l => diffIdOf(l) is { } d && places.TryGetValue(d, out var place) ? place : -1).ToList();
            if (!layers.Contains(-1))
            {
                records.Add(new CacheRecord { Key = key.ToString(), Id = result.Id.ToString(), Layers = layers });
            }
        }

        return JsonSerializer.Serialize(records, CacheJson.Default.ListCacheRecord);
    }

    /// <summary>What an image says; empty if it says nothing, or nothing that makes sense.</summary>
    public static IEnumerable<(Digest Key, Digest Id, IReadOnlyList<int> Layers)> Read(ImageConfig config)
    {
        if (config.Config?.Labels is not { } labels || !labels.TryGetValue(Label, out var text))
        {
            yield break;
        }

        List<CacheRecord>? records;
        try
        {
            records = JsonSerializer.Deserialize(text, CacheJson.Default.ListCacheRecord);
        }
        catch (JsonException)
        {
            yield break;
        }

        foreach (var record in records ?? [])
        {
            if (Digest.TryParse(record.Key, out var key) && Digest.TryParse(record.Id, out var id) && record.Layers.All(l => l >= 0 && l < config.RootFs.DiffIds.Count))
            {
                yield return (key, id, record.Layers);
            }
        }
    }
}

internal sealed record CacheRecord
{
    [JsonPropertyName("k")]
    public string Key { get; init; } = "";

    [JsonPropertyName("i")]
    public string Id { get; init; } = "";

    [JsonPropertyName("l")]
    public IReadOnlyList<int> Layers { get; init; } = [];
}

[JsonSerializable(typeof(List<CacheRecord>))]
internal sealed partial class CacheJson : JsonSerializerContext;
