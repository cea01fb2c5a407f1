using System.Text.Json;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli;

/// <summary>JSON files that this program is given.</summary>
internal static class Documents
{
    public static Spec ReadSpec(byte[] json, string path) => Read(path, () => SpecReader.ReadSpec(json));

    public static Process ReadProcess(byte[] json, string path) => Read(path, () => SpecReader.ReadProcess(json));

    public static LinuxResources ReadResources(byte[] json, string path) => Read(path, () => SpecReader.ReadResources(json));

    private static T Read<T>(string path, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (JsonException e)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"{path} is not valid: {e.Message}", e);
        }
    }
}
