using System.IO.Pipelines;
using Cais.Build.Solving;

namespace Cais.Engine.Builds;

/// <summary>A frontend to be run: an image whose program says what to build, and speaks through its standard input and output.</summary>
public sealed record FrontendRun
{
    /// <summary>The image's name.</summary>
    public required string Image { get; init; }

    /// <summary><c>NAME=value</c>, beside the image's own.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    public required PipeReader Input { get; init; }

    public required IRunOutput Output { get; init; }
}
