using Cais.Build.Cache;
using Cais.Build.Checks;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Images.Building;
using Cais.Linux;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>What a build made. Its layers and base images cannot go away until it is disposed of; exporting it to anywhere comes before that.</summary>
public sealed class BuildResult : IDisposable
{
    private readonly IDisposable[] _held;
    private int _disposed;

    internal BuildResult(BuildRequest request, IReadOnlyList<PlatformResult> platforms, IEnumerable<IDisposable> held)
    {
        (Request, Platforms) = (request, platforms);
        _held = [.. held];
    }

    /// <summary>Parts of other results as one, which lasts as long as they do.</summary>
    public static BuildResult Combine(BuildRequest request, IReadOnlyList<PlatformResult> platforms) => new(request, platforms, []);

    public BuildRequest Request { get; }

    /// <summary>One for each platform asked for, in that order.</summary>
    public IReadOnlyList<PlatformResult> Platforms { get; }

    /// <summary>What the build checks have to say, each once.</summary>
    public IReadOnlyList<Finding> Findings => [.. Platforms.SelectMany(p => p.Plan.Findings).DistinctBy(f => (f.Rule, f.Range, f.Message))];

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            foreach (var held in _held.Reverse())
            {
                held.Dispose();
            }
        }
    }
}

/// <summary>The result for one platform.</summary>
/// <param name="Images">The images that layers may come from.</param>
/// <param name="Solver">What brought it about, and knows the keys of its steps.</param>
public sealed record PlatformResult(Platform Platform, BuildPlan Plan, StepResult Result, IReadOnlyList<HeldImage> Images, Solver Solver)
{
    /// <summary>The file system as an overlay that is attached nowhere: closing it ends it. Reachable as <see cref="FileDescriptor.ProcPath"/>.</summary>
    public FileDescriptor OpenTree()
    {
        // Overlay refuses a directory twice; the topmost occurrence is the one that counts.
        var lower = new List<string>();
        foreach (var path in Result.Paths.Reverse())
        {
            if (!lower.Contains(path))
            {
                lower.Add(path);
            }
        }

        return lower.Count switch
        {
            0 => Mounts.Create("tmpfs", [new("mode", "755")], MountAttributes.ReadOnly),
            1 => Mounts.CloneReadOnly(lower[0]),
            _ => Mounts.CreateOverlay(lower, null, null, MountAttributes.ReadOnly),
        };
    }
}
