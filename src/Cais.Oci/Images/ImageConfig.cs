using System.Text.Json.Serialization;

namespace Cais.Oci.Images;

/// <summary>An image's configuration document (image-spec, config.md) with the fields that only Docker writes.</summary>
public sealed record ImageConfig
{
    /// <summary>The largest configuration that is read, in bytes.</summary>
    public const int LargestSize = 8 * 1024 * 1024;

    [JsonPropertyName("created")]
    public string? Created { get; init; }

    [JsonPropertyName("author")]
    public string? Author { get; init; }

    [JsonPropertyName("architecture")]
    public string Architecture { get; init => field = value ?? ""; } = "";

    [JsonPropertyName("variant")]
    public string? Variant { get; init; }

    [JsonPropertyName("os")]
    public string Os { get; init => field = value ?? ""; } = "";

    [JsonPropertyName("os.version")]
    public string? OsVersion { get; init; }

    [JsonPropertyName("os.features")]
    public IReadOnlyList<string>? OsFeatures { get; init; }

    [JsonPropertyName("config")]
    public ContainerDefaults? Config { get; init; }

    [JsonPropertyName("rootfs")]
    public RootFs RootFs { get; init; } = new();

    [JsonPropertyName("history")]
    public IReadOnlyList<HistoryEntry>? History { get; init; }

    /// <summary>Docker's commit message.</summary>
    [JsonPropertyName("comment")]
    public string? Comment { get; init; }

    [JsonPropertyName("docker_version")]
    public string? DockerVersion { get; init; }

    [JsonPropertyName("parent")]
    public string? Parent { get; init; }

    [JsonIgnore]
    public Platform Platform => new() { Os = Os, Architecture = Architecture, Variant = Variant, OsVersion = OsVersion, OsFeatures = OsFeatures };

    /// <summary>When the image says it was made; the epoch if it says nothing readable.</summary>
    [JsonIgnore]
    public DateTimeOffset CreatedAt =>
        DateTimeOffset.TryParse(Created, null, System.Globalization.DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.UnixEpoch;

    /// <summary>Reads and checks. Unknown fields are ignored. Throws <see cref="ImageFormatException"/>.</summary>
    public static ImageConfig Parse(ReadOnlySpan<byte> json)
    {
        var config = Json.Parse(json, LargestSize, OciImagesJson.Default.ImageConfig, "image configuration");
        if (config.RootFs?.DiffIds is null || config.RootFs.DiffIds.Any(d => d.IsEmpty))
        {
            throw new ImageFormatException("image configuration has no valid list of layers (rootfs.diff_ids)");
        }

        return config;
    }

    public byte[] ToJson() => PlainJson.Bytes(this, OciImagesJson.Default.ImageConfig);
}

/// <summary>The uncompressed layers' digests, bottom first.</summary>
public sealed record RootFs
{
    [JsonPropertyName("type")]
    public string Type { get; init => field = value ?? "layers"; } = "layers";

    [JsonPropertyName("diff_ids")]
    public IReadOnlyList<Digest> DiffIds { get; init; } = [];
}

/// <summary>One step by which the image was made; steps marked empty made no layer.</summary>
public sealed record HistoryEntry
{
    [JsonPropertyName("created")]
    public string? Created { get; init; }

    [JsonPropertyName("created_by")]
    public string? CreatedBy { get; init; }

    [JsonPropertyName("author")]
    public string? Author { get; init; }

    [JsonPropertyName("comment")]
    public string? Comment { get; init; }

    [JsonPropertyName("empty_layer")]
    public bool EmptyLayer { get; init; }
}

/// <summary>How containers of an image run unless told otherwise (the <c>config</c> field), with Docker's extensions.</summary>
public sealed record ContainerDefaults
{
    public string? User { get; init; }

    public IReadOnlyDictionary<string, EmptyObject?>? ExposedPorts { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    public IReadOnlyList<string>? Entrypoint { get; init; }

    public IReadOnlyList<string>? Cmd { get; init; }

    public IReadOnlyDictionary<string, EmptyObject?>? Volumes { get; init; }

    public string? WorkingDir { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public string? StopSignal { get; init; }

    /// <summary>Seconds.</summary>
    public int? StopTimeout { get; init; }

    public bool? ArgsEscaped { get; init; }

    public HealthCheck? Healthcheck { get; init; }

    public IReadOnlyList<string>? OnBuild { get; init; }

    public IReadOnlyList<string>? Shell { get; init; }
}

/// <summary>The JSON object <c>{}</c>, by which OCI writes sets.</summary>
public sealed record EmptyObject
{
    public static readonly EmptyObject Value = new();
}

/// <summary>Docker's HEALTHCHECK. Durations are nanoseconds; 0 is "inherit".</summary>
public sealed record HealthCheck
{
    public IReadOnlyList<string>? Test { get; init; }

    public long? Interval { get; init; }

    public long? Timeout { get; init; }

    public long? StartPeriod { get; init; }

    public long? StartInterval { get; init; }

    public int? Retries { get; init; }
}
