using System.Text.Json;

namespace Cais.Templates;

/// <summary>
/// Finds members of the daemon's records by the names that docker's templates use: those of the wire, or those of Go's types, which
/// differ in case only (<c>.ID</c> for <c>Id</c>). Members that the wire leaves out when they are empty read as nothing.
/// </summary>
internal static class JsonFields
{
    /// <summary>Members of records that are pointers in Go's types and left out of the JSON when they are nil.</summary>
    private static readonly HashSet<string> Optional =
    [
        "Health", "Healthcheck", "Annotations", "Platform", "ImageManifestDescriptor", "StopTimeout", "StopSignal", "SizeRw", "SizeRootFs",
        "Storage", "GraphDriver", "Shell", "OnBuild", "Domainname", "NetworkDisabled", "Checkpoint", "ConfigFrom", "UsageData", "Status",
        "Descriptor", "Manifests", "Identity", "Comment", "Author", "Variant", "OsVersion", "Metadata", "DeviceRequests", "Isolation", "Cgroup",
        "Init", "Runtime", "Mounts", "ExposedPorts", "Volumes", "Tmpfs", "Sysctls", "StorageOpt",
    ];

    public static bool TryFind(JsonElement record, string name, out JsonElement value)
    {
        if (record.TryGetProperty(name, out value))
        {
            return true;
        }

        foreach (var member in record.EnumerateObject())
        {
            if (member.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                value = member.Value;
                return true;
            }
        }

        return Optional.Contains(name);
    }
}
