using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ContainerExecRequest
{
    /// <summary>Attach to `stdin` of the exec command.</summary>
    public bool? AttachStdin { get; init; }

    /// <summary>Attach to `stdout` of the exec command.</summary>
    public bool? AttachStdout { get; init; }

    /// <summary>Attach to `stderr` of the exec command.</summary>
    public bool? AttachStderr { get; init; }

    /// <summary>Initial console size, as an `[height, width]` array.</summary>
    public IReadOnlyList<long>? ConsoleSize { get; init; }

    /// <summary>Override the key sequence for detaching a container.</summary>
    public string? DetachKeys { get; init; }

    /// <summary>Allocate a pseudo-TTY.</summary>
    public bool? Tty { get; init; }

    /// <summary>A list of environment variables in the form `["VAR=value", ...]`.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Command to run, as a string or array of strings.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Cmd { get; init; }

    [JsonPropertyName("Cmd")]
    public StringOrList? CmdJson
    {
        get => StringOrList.Of(Cmd);
        init => Cmd = value?.Values;
    }

    /// <summary>Runs the exec process with extended privileges.</summary>
    public bool? Privileged { get; init; }

    /// <summary>The user, and optionally, group to run the exec process inside the container.</summary>
    public string? User { get; init; }

    /// <summary>The working directory for the exec process inside the container.</summary>
    public string? WorkingDir { get; init; }
}
