using Cais.Oci.Runtime;

namespace Cais.Runtime;

internal static class NetworkInterfaces
{
    public static void Move(int pid, IReadOnlyDictionary<string, NetDevice> devices)
    {
        if (devices.Count > 0)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"netDevices are not supported (process {pid})");
        }
    }
}
