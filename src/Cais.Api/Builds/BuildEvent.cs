using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>One line of a build's progress. The first four members are BuildKit's SolveStatus, which is what <c>--progress=rawjson</c> prints.</summary>
public sealed record BuildEvent
{
    [JsonPropertyName("vertexes")]
    public IReadOnlyList<BuildVertex>? Vertexes { get; init; }

    [JsonPropertyName("statuses")]
    public IReadOnlyList<BuildStatus>? Statuses { get; init; }

    [JsonPropertyName("logs")]
    public IReadOnlyList<BuildLog>? Logs { get; init; }

    [JsonPropertyName("warnings")]
    public IReadOnlyList<BuildWarning>? Warnings { get; init; }

    /// <summary>The image that was made.</summary>
    public BuildImage? Image { get; init; }

    /// <summary>An output that the client is to fetch now: GET /build/outputs/TOKEN.</summary>
    public BuildFetch? Fetch { get; init; }

    /// <summary>A command wants to talk to an SSH agent: POST /build/agents/CONNECTION.</summary>
    public BuildAgent? Agent { get; init; }

    /// <summary>The last line of a build that failed.</summary>
    public BuildFailure? Failure { get; init; }
}

public sealed record BuildVertex
{
    [JsonPropertyName("digest")]
    public required string Digest { get; init; }

    [JsonPropertyName("inputs")]
    public IReadOnlyList<string>? Inputs { get; init; }

    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("started")]
    public DateTimeOffset? Started { get; init; }

    [JsonPropertyName("completed")]
    public DateTimeOffset? Completed { get; init; }

    [JsonPropertyName("cached")]
    public bool? Cached { get; init; }

    [JsonPropertyName("error")]
    public string? Error { get; init; }
}

public sealed record BuildStatus
{
    [JsonPropertyName("id")]
    public required string Id { get; init; }

    [JsonPropertyName("vertex")]
    public required string Vertex { get; init; }

    [JsonPropertyName("current")]
    public long? Current { get; init; }

    [JsonPropertyName("total")]
    public long? Total { get; init; }

    [JsonPropertyName("timestamp")]
    public DateTimeOffset? Timestamp { get; init; }

    [JsonPropertyName("started")]
    public DateTimeOffset? Started { get; init; }

    [JsonPropertyName("completed")]
    public DateTimeOffset? Completed { get; init; }
}

public sealed record BuildLog
{
    [JsonPropertyName("vertex")]
    public required string Vertex { get; init; }

    /// <summary>1 is standard output, 2 standard error.</summary>
    [JsonPropertyName("stream")]
    public required int Stream { get; init; }

    [JsonPropertyName("data")]
    public required byte[] Data { get; init; }

    [JsonPropertyName("timestamp")]
    public DateTimeOffset? Timestamp { get; init; }
}

public sealed record BuildWarning
{
    /// <summary>The rule's name and what it has to say.</summary>
    [JsonPropertyName("short")]
    public required string Short { get; init; }

    [JsonPropertyName("url")]
    public string? Url { get; init; }

    /// <summary>The line in the Dockerfile, from 1.</summary>
    [JsonPropertyName("line")]
    public int? Line { get; init; }

    /// <summary>The lines around it.</summary>
    [JsonPropertyName("excerpt")]
    public string? Excerpt { get; init; }
}

public sealed record BuildImage
{
    public required string Id { get; init; }

    public string? ConfigDigest { get; init; }

    public string? MediaType { get; init; }

    public long? Size { get; init; }

    public IReadOnlyList<string>? Names { get; init; }
}

public sealed record BuildFetch
{
    public required string Token { get; init; }

    /// <summary>Position in the command's list of outputs.</summary>
    public required int Output { get; init; }
}

public sealed record BuildAgent
{
    public required string Id { get; init; }

    public required string Connection { get; init; }
}

public sealed record BuildFailure
{
    public required string Message { get; init; }

    /// <summary>The vertex that failed.</summary>
    public string? Vertex { get; init; }

    /// <summary>Of the command.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The lines of the Dockerfile around the instruction.</summary>
    public string? Excerpt { get; init; }

    /// <summary>How to see it again by hand.</summary>
    public string? Hint { get; init; }
}
