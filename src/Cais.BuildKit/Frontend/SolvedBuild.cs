using Cais.Build.Language;
using Cais.Engine.Builds;
using Google.Protobuf;

namespace Cais.BuildKit.Frontend;

/// <summary>What a frontend made: file systems, which stay until the build is over, and data about them.</summary>
internal sealed class SolvedBuild : IDisposable
{
    /// <param name="build">Null for an answer that is data alone.</param>
    public SolvedBuild(BuildResult? build, bool isMultiPlatform, DockerfileSource? source)
    {
        (Build, IsMultiPlatform, Source) = (build, isMultiPlatform, source);
        References = build is null ? [] : [.. build.Platforms.Select((p, i) => new SolvedReference(Guid.NewGuid().ToString("N"), this, i))];
    }

    public BuildResult? Build { get; }

    /// <summary>Whether the result is a map from platforms, even if there is one only.</summary>
    public bool IsMultiPlatform { get; }

    public DockerfileSource? Source { get; }

    /// <summary>The graph that was solved, if it was one and not a Dockerfile.</summary>
    public Pb.Definition? Definition { get; init; }

    /// <summary>Names for the file systems, one for each platform.</summary>
    public IReadOnlyList<SolvedReference> References { get; }

    public Dictionary<string, ByteString> Metadata { get; } = [];

    /// <summary>Statements that the image is to have with it, as <c>--attest</c> writes them.</summary>
    public IReadOnlyList<string> Attestations { get; init; } = [];

    public DateTimeOffset Begun { get; init; }

    public void Dispose() => Build?.Dispose();
}

/// <summary>One file system of a result, and the name that the client has for it.</summary>
internal sealed record SolvedReference(string Id, SolvedBuild Solved, int Index)
{
    public PlatformResult Platform => Solved.Build!.Platforms[Index];
}
