using System.Text.Json;
using System.Text.Json.Nodes;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Oci;

namespace Cais.Daemon.Endpoints;

/// <summary>/info in the form of each version: members that came later are left out, members that are gone are put back as docker puts them back.</summary>
internal static class OlderInfo
{
    /// <summary>Members and the version that brought them.</summary>
    private static readonly (string Name, ApiVersion Since)[] Added =
    [
        ("CgroupVersion", new(1, 41)), ("DefaultAddressPools", new(1, 41)), ("CDISpecDirs", new(1, 44)), ("Containerd", new(1, 46)), ("FirewallBackend", new(1, 49)),
        ("DiscoveredDevices", new(1, 50)), ("NRI", new(1, 53)),
    ];

    public static byte[] Write(SystemInfo info, ApiVersion version)
    {
        var json = JsonSerializer.SerializeToNode(info, ApiJson.Default.SystemInfo)!.AsObject();
        foreach (var (name, since) in Added)
        {
            if (version < since)
            {
                json.Remove(name);
            }
        }

        if (version < new ApiVersion(1, 49))
        {
            foreach (var name in (ReadOnlySpan<string>)["ContainerdCommit", "RuncCommit", "InitCommit"])
            {
                if (json[name] is JsonObject commit)
                {
                    commit["Expected"] = commit["ID"]?.GetValue<string>();
                }
            }

            if (json["RegistryConfig"] is JsonObject registries)
            {
                registries["AllowNondistributableArtifactsCIDRs"] = null;
                registries["AllowNondistributableArtifactsHostnames"] = null;
            }
        }

        if (version < new ApiVersion(1, 50))
        {
            json["BridgeNfIptables"] = false;
            json["BridgeNfIp6tables"] = false;
        }

        if (version < new ApiVersion(1, 25) && json["SecurityOptions"] is JsonArray security)
        {
            // Names alone, before options had values.
            json["SecurityOptions"] = new JsonArray([.. security.Select(o => (JsonNode?)JsonValue.Create(o!.GetValue<string>().Split(',')[0].Replace("name=", "", StringComparison.Ordinal)))]);
        }

        if (version < new ApiVersion(1, 52))
        {
            json["KernelMemoryTCP"] = json["MemoryLimit"]?.GetValue<bool>() ?? false;
        }

        return Bytes(json);
    }

    /// <summary>An answer's body.</summary>
    public static byte[] Bytes(JsonObject json)
    {
        var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, PlainJson.Options))
        {
            json.WriteTo(writer);
        }

        buffer.WriteByte((byte)'\n');
        return buffer.ToArray();
    }
}
