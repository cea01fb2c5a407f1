using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Configuration for a container that is portable between hosts.</summary>
public sealed record ContainerConfig
{
    /// <summary>The hostname to use for the container, as a valid RFC 1123 hostname.</summary>
    public string? Hostname { get; init; }

    /// <summary>The domain name to use for the container.</summary>
    public string? Domainname { get; init; }

    /// <summary>Commands run as this user inside the container.</summary>
    public string? User { get; init; }

    /// <summary>Whether to attach to `stdin`.</summary>
    public bool? AttachStdin { get; init; }

    /// <summary>Whether to attach to `stdout`.</summary>
    public bool? AttachStdout { get; init; }

    /// <summary>Whether to attach to `stderr`.</summary>
    public bool? AttachStderr { get; init; }

    /// <summary>An object mapping ports to an empty object in the form: `{"&lt;port&gt;/&lt;tcp|udp|sctp&gt;": {}}`</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>?>? ExposedPorts { get; init; }

    /// <summary>Attach standard streams to a TTY, including `stdin` if it is not closed.</summary>
    public bool? Tty { get; init; }

    public bool? OpenStdin { get; init; }

    /// <summary>Close `stdin` after one attached client disconnects</summary>
    public bool? StdinOnce { get; init; }

    /// <summary>A list of environment variables to set inside the container in the form `["VAR=value", ...]`.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Command to run specified as a string or an array of strings.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Cmd { get; init; }

    [JsonPropertyName("Cmd")]
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public StringOrList? CmdJson
    {
        get => StringOrList.Of(Cmd);
        init => Cmd = value?.Values;
    }

    public HealthConfig? Healthcheck { get; init; }

    /// <summary>Command is already escaped (Windows only)</summary>
    public bool? ArgsEscaped { get; init; }

    public string? Image { get; init; }

    /// <summary>An object mapping mount point paths inside the container to empty objects.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>?>? Volumes { get; init; }

    /// <summary>The working directory for commands to run in.</summary>
    public string? WorkingDir { get; init; }

    /// <summary>The entry point for the container as a string or an array of strings.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Entrypoint { get; init; }

    [JsonPropertyName("Entrypoint")]
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public StringOrList? EntrypointJson
    {
        get => StringOrList.Of(Entrypoint);
        init => Entrypoint = value?.Values;
    }

    /// <summary>Disable networking for the container.</summary>
    public bool? NetworkDisabled { get; init; }

    /// <summary>MAC address of the container; since API 1.52 an endpoint's setting, read here for older clients only.</summary>
    public string? MacAddress { get; init; }

    /// <summary>`ONBUILD` metadata that were defined in the image's `Dockerfile`.</summary>
    public IReadOnlyList<string>? OnBuild { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Signal to stop a container as a string or unsigned integer.</summary>
    public string? StopSignal { get; init; }

    /// <summary>Timeout to stop a container in seconds.</summary>
    public long? StopTimeout { get; init; }

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
