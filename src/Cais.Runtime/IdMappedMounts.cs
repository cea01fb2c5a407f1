using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>Bind mounts whose files appear under other ids; made before the fork, where the right to do so is.</summary>
internal sealed class IdMappedMounts : IDisposable
{
    private readonly List<FileDescriptor> _open = [];

    /// <summary>Descriptor of the detached mount by index in the configuration.</summary>
    public Dictionary<int, int> Mounts { get; } = [];

    public static IdMappedMounts Prepare(Spec spec, string bundle)
    {
        _ = bundle;
        return new IdMappedMounts();
    }

    public void Dispose()
    {
        foreach (var file in _open)
        {
            file.Dispose();
        }
    }
}
