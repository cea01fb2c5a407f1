using Cais.Engine.Builds;
using Cais.Oci.Images;
using Moby.Buildkit.V1.Types;

namespace Cais.BuildKit.Control;

/// <summary>The builder as clients see it: one worker.</summary>
internal sealed class WorkerDescription(string id, Func<IReadOnlyList<Platform>> platforms)
{
    /// <summary>What the protocol is like: clients decide by it what they may ask for.</summary>
    private const string ProtocolVersion = "v0.25.0";

    public static BuildkitVersion Version() => new() { Package = "cais", Version = ProtocolVersion };

    public WorkerRecord Describe() => new()
    {
        ID = id,
        Labels =
        {
            ["org.mobyproject.buildkit.worker.executor"] = "cais",
            ["org.mobyproject.buildkit.worker.hostname"] = Environment.MachineName,
            ["org.mobyproject.buildkit.worker.network"] = "bridge",
            // Clients take it that an engine whose worker has a snapshotter keeps images of several platforms, attestations and all.
            ["org.mobyproject.buildkit.worker.snapshotter"] = "overlayfs",
        },
        Platforms = { platforms().Select(ToProto) },
        BuildkitVersion = Version(),
    };

    public static Pb.Platform ToProto(Platform platform) => new() { OS = platform.Os, Architecture = platform.Architecture, Variant = platform.Variant ?? "" };
}
