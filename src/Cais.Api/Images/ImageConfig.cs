using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Configuration of the image.</summary>
public sealed record ImageConfig
{
    /// <summary>The user that commands are run as inside the container.</summary>
    public string? User { get; init; }

    /// <summary>An object mapping ports to an empty object in the form: `{"&lt;port&gt;/&lt;tcp|udp|sctp&gt;": {}}`</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>?>? ExposedPorts { get; init; }

    /// <summary>A list of environment variables to set inside the container in the form `["VAR=value", ...]`.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Command to run specified as a string or an array of strings.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Cmd { get; init; }

    [JsonPropertyName("Cmd")]
    public StringOrList? CmdJson
    {
        get => StringOrList.Of(Cmd);
        init => Cmd = value?.Values;
    }

    public HealthConfig? Healthcheck { get; init; }

    /// <summary>Command is already escaped (Windows only)</summary>
    public bool? ArgsEscaped { get; init; }

    /// <summary>An object mapping mount point paths inside the container to empty objects.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>?>? Volumes { get; init; }

    /// <summary>The working directory for commands to run in.</summary>
    public string? WorkingDir { get; init; }

    /// <summary>The entry point for the container as a string or an array of strings.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Entrypoint { get; init; }

    [JsonPropertyName("Entrypoint")]
    public StringOrList? EntrypointJson
    {
        get => StringOrList.Of(Entrypoint);
        init => Entrypoint = value?.Values;
    }

    /// <summary>`ONBUILD` metadata that were defined in the image's `Dockerfile`.</summary>
    public IReadOnlyList<string>? OnBuild { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Signal to stop a container as a string or unsigned integer.</summary>
    public string? StopSignal { get; init; }

    /// <summary>Shell for when `RUN`, `CMD`, and `ENTRYPOINT` uses a shell.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Shell { get; init; }

    [JsonPropertyName("Shell")]
    public StringOrList? ShellJson
    {
        get => StringOrList.Of(Shell);
        init => Shell = value?.Values;
    }
}
