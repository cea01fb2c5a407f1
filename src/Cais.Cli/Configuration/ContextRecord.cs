using System.Text;
using System.Text.Json;
using Cais.Cli.Formatting;

namespace Cais.Cli.Configuration;

/// <summary>What a context says.</summary>
/// <param name="Description">For people.</param>
/// <param name="Host">Where the daemon is, in the notation of <c>-H</c>.</param>
/// <param name="SkipTlsVerify">Whether its certificate is not checked.</param>
internal sealed record ContextRecord(string Description, string Host, bool SkipTlsVerify)
{
    /// <summary>PEM files by name: <c>ca.pem</c>, <c>cert.pem</c>, <c>key.pem</c>.</summary>
    public IReadOnlyDictionary<string, byte[]> Certificates { get; init; } = new Dictionary<string, byte[]>();

    public static ContextRecord Read(JsonElement meta)
    {
        var docker = meta.Member("Endpoints")?.Member("docker");
        return new(meta.Member("Metadata")?.Text("Description") ?? "", docker?.Text("Host") ?? "", docker?.Truth("SkipTLSVerify") ?? false);
    }

    public string ToJson(string name)
    {
        var json = new StringBuilder("{\"Name\":");
        GoJson.WriteString(json, name);
        json.Append(",\"Metadata\":{");
        if (Description.Length > 0)
        {
            json.Append("\"Description\":");
            GoJson.WriteString(json, Description);
        }

        json.Append("},\"Endpoints\":{\"docker\":{\"Host\":");
        GoJson.WriteString(json, Host);
        return json.Append(",\"SkipTLSVerify\":").Append(SkipTlsVerify ? "true" : "false").Append("}}}").ToString();
    }
}
