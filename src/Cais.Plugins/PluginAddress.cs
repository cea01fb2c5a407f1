using System.Text.Json.Serialization;

namespace Cais.Plugins;

/// <summary>Where a plugin listens: a unix socket, or TCP with or without TLS.</summary>
internal sealed record PluginAddress
{
    /// <summary>Path of the unix socket, or null for TCP.</summary>
    public string? Socket { get; init; }

    public string Host { get; init; } = "localhost";

    public int Port { get; init; }

    /// <summary>Files and choices of a <c>.json</c> file; null for a plain connection.</summary>
    public PluginTls? Tls { get; init; }

    /// <summary>Reads <c>unix:///run/x.sock</c>, <c>tcp://host:port</c>, <c>http://host:port</c> or <c>https://host:port</c>.</summary>
    /// <exception cref="PluginException">It is none of these.</exception>
    public static PluginAddress Parse(string text, string file, PluginTls? tls = null)
    {
        text = text.Trim();
        if (text.StartsWith("unix://", StringComparison.Ordinal) && text.Length > 7)
        {
            return new PluginAddress { Socket = text[7..] };
        }

        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "tcp" or "http" or "https" && uri.Port > 0
            ? new PluginAddress { Host = uri.IdnHost, Port = uri.Port, Tls = tls ?? (uri.Scheme == "https" ? new PluginTls() : null) }
            : throw new PluginException($"plugin file {file}: unknown protocol in \"{text}\": unix://PATH or tcp://HOST:PORT");
    }
}

/// <summary><c>TLSConfig</c> of a plugin's <c>.json</c> file.</summary>
internal sealed record PluginTls
{
    public bool InsecureSkipVerify { get; init; }

    public string? CAFile { get; init; }

    public string? CertFile { get; init; }

    public string? KeyFile { get; init; }
}

/// <summary>A plugin's <c>.json</c> file.</summary>
internal sealed record PluginFile
{
    public string? Name { get; init; }

    public string? Addr { get; init; }

    public PluginTls? TLSConfig { get; init; }
}

/// <summary>The answer to <c>/Plugin.Activate</c>.</summary>
internal sealed record ActivateResponse
{
    public IReadOnlyList<string>? Implements { get; init; }
}

/// <summary>What plugins of every kind put into an answer that says no.</summary>
internal sealed record PluginError
{
    public string? Err { get; init; }
}

[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(PluginFile))]
[JsonSerializable(typeof(ActivateResponse))]
[JsonSerializable(typeof(PluginError))]
internal sealed partial class PluginJson : JsonSerializerContext;
