using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ExecInspectResponse
{
    public bool? CanRemove { get; init; }

    public string? DetachKeys { get; init; }

    public string? ID { get; init; }

    public bool? Running { get; init; }

    /// <summary>Null while it runs, which clients read as such.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? ExitCode { get; init; }

    public ProcessConfig? ProcessConfig { get; init; }

    public bool? OpenStdin { get; init; }

    public bool? OpenStderr { get; init; }

    public bool? OpenStdout { get; init; }

    public string? ContainerID { get; init; }

    /// <summary>The system process ID for the exec process.</summary>
    public long? Pid { get; init; }
}
