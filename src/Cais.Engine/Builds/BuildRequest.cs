using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>One build, whichever door it came in by.</summary>
public sealed record BuildRequest
{
    /// <summary>What is built; null for a graph that was made by somebody else.</summary>
    public required DockerfileSource? Dockerfile { get; init; }

    /// <summary>Everything but the platform, which is each of <see cref="Platforms"/> in turn.</summary>
    public BuildOptions Options { get; init; } = new();

    /// <summary>What to build for; one image for each, and an index over several.</summary>
    public IReadOnlyList<Platform> Platforms { get; init; } = [Platform.Current];

    /// <summary>Ask the registry for every base image, even those that are here.</summary>
    public bool Pull { get; init; }

    /// <summary>Whether RUN may ask for <c>--security=insecure</c>.</summary>
    public bool AllowInsecure { get; init; }

    /// <summary>Whether RUN may ask for <c>--network=host</c>.</summary>
    public bool AllowHostNetwork { get; init; }

    /// <summary>Caches of other machines to use.</summary>
    public IReadOnlyList<CacheExchange> CacheFrom { get; init; } = [];

    /// <summary>Told of each platform's plan before anything of it is done.</summary>
    public Action<BuildPlan>? Planned { get; init; }

    /// <summary>Identifies the build to <see cref="BuildService.Cancel"/>; null for one that only its caller cancels.</summary>
    public string? Id { get; init; }
}
