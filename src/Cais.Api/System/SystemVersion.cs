using System.Text.Json;

namespace Cais.Api;

/// <summary>Response of Engine API: GET "/version"</summary>
public sealed record SystemVersion
{
    public SystemVersionPlatform? Platform { get; init; }

    /// <summary>Information about system components</summary>
    public IReadOnlyList<SystemVersionComponent>? Components { get; init; }

    /// <summary>The version of the daemon</summary>
    public string? Version { get; init; }

    /// <summary>The default (and highest) API version that is supported by the daemon</summary>
    public string? ApiVersion { get; init; }

    /// <summary>The minimum API version that is supported by the daemon</summary>
    public string? MinAPIVersion { get; init; }

    /// <summary>The Git commit of the source code that was used to build the daemon</summary>
    public string? GitCommit { get; init; }

    /// <summary>The version Go used to compile the daemon, and the version of the Go runtime in use.</summary>
    public string? GoVersion { get; init; }

    /// <summary>The operating system that the daemon is running on ("linux" or "windows")</summary>
    public string? Os { get; init; }

    /// <summary>Architecture of the daemon, as returned by the Go runtime (`GOARCH`).</summary>
    public string? Arch { get; init; }

    /// <summary>The kernel version (`uname -r`) that the daemon is running on.</summary>
    public string? KernelVersion { get; init; }

    /// <summary>Indicates if the daemon is started with experimental features enabled.</summary>
    public bool? Experimental { get; init; }

    /// <summary>The date and time that the daemon was compiled.</summary>
    public string? BuildTime { get; init; }
}

public sealed record SystemVersionPlatform
{
    public string? Name { get; init; }
}

public sealed record SystemVersionComponent
{
    /// <summary>Name of the component</summary>
    public string? Name { get; init; }

    /// <summary>Version of the component</summary>
    public string? Version { get; init; }

    /// <summary>Key/value pairs of strings with additional information about the component.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Details { get; init; }
}
