using Cais.Shim.Runtimes;
using Containerd.Runc.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Tasks;

/// <summary>The options of a create request: which runtime, and how.</summary>
internal static class TaskOptions
{
    private const string DefaultCaisRoot = "/run/cais/runtime";
    private const string DefaultForeignRoot = "/run/containerd/runc";

    /// <summary>Reads them; runc's options, or none. containerd's CRI sends <c>runtimeoptions.v1.Options</c>, which says nothing to us.</summary>
    public static Options Read(Any? options)
    {
        if (options is null || options.Value.IsEmpty)
        {
            return new Options();
        }

        try
        {
            return TypeName(options.TypeUrl) switch
            {
                "containerd.runc.v1.Options" => Options.Parser.ParseFrom(options.Value),
                "runtimeoptions.v1.Options" or "cri.runtimeoptions.v1.Options" => new Options(),
                var other => throw TaskErrors.Invalid($"options of type {other} are not known here; containerd.runc.v1.Options are"),
            };
        }
        catch (InvalidProtocolBufferException e)
        {
            throw TaskErrors.Invalid($"malformed options: {e.Message}");
        }
    }

    /// <summary>Containers of each namespace have a state directory of their own, as with containerd's shims.</summary>
    public static RuntimeChoice Choose(Options options, string containerdNamespace)
    {
        var binary = options.BinaryName is "" or "cais" ? "" : options.BinaryName;
        var root = options.Root.Length > 0 ? options.Root : binary.Length == 0 ? DefaultCaisRoot : DefaultForeignRoot;
        return new RuntimeChoice(binary, Path.Combine(root, containerdNamespace), options.SystemdCgroup);
    }

    /// <summary>What is behind the last slash of a type URL.</summary>
    public static string TypeName(string url) => url[(url.LastIndexOf('/') + 1)..];
}
