using Cais.Engine.Containers;
using Cais.Engine.Events;
using Cais.Engine.Health;
using Cais.Engine.Logging;
using Cais.Engine.Logs;
using Cais.Engine.Shims;
using Cais.Engine.Specs;
using Cais.Engine.Volumes;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Networking;
using Cais.Plugins;

namespace Cais.Engine;

/// <summary>What the engine's parts share. Made once, when the engine opens.</summary>
internal sealed record EngineServices
{
    /// <summary>Replaced as a whole when the daemon's configuration is read again: who needs two of them to fit together reads it once.</summary>
    public required EngineOptions Options { get; set; }

    public required HostFacts Host { get; init; }

    public required EngineLog Log { get; init; }

    public required TimeProvider Time { get; init; }

    public required EventLoop Loop { get; init; }

    public required EventBus Events { get; init; }

    public required ContainerStore Containers { get; init; }

    public required VolumeStore Volumes { get; init; }

    public required PluginRegistry Plugins { get; init; }

    public required ImageStore Images { get; init; }

    public required NetworkController Networks { get; init; }

    public required ShimLauncher Shims { get; init; }

    public required SeccompSource Seccomp { get; init; }

    public required CdiRegistry Cdi { get; init; }

    public required ContainerLogs Logs { get; init; }

    /// <summary>The ids that containers have, as <see cref="EngineOptions.ContainerIds"/> says; null when theirs are the host's.</summary>
    public MappedIds? Ids { get; init; }

    public HealthCounters HealthChecks { get; } = new();
}
