namespace Cais.Build.Language;

/// <summary>A Dockerfile is wrong: what, where, and what was expected.</summary>
public sealed class DockerfileException : Exception
{
    public DockerfileException(string message) : base(message) => Reason = message;

    public DockerfileException(string reason, SourceRange range, DockerfileSource? source = null, Exception? inner = null)
        : base(range.Start.Line > 0 ? $"dockerfile parse error on line {range.Start.Line}: {reason}" : reason, inner)
    {
        Reason = reason;
        Range = range;
        SourceFile = source;
    }

    /// <summary>The message without its place.</summary>
    public string Reason { get; }

    /// <summary>Where; lines are 0 if the error has no place.</summary>
    public SourceRange Range { get; }

    public DockerfileSource? SourceFile { get; }

    /// <summary>The lines around the error, or an empty text.</summary>
    public string Excerpt => SourceFile?.Excerpt(Range) ?? "";

    /// <summary>The same error, knowing the file it is in.</summary>
    public DockerfileException In(DockerfileSource source) => SourceFile is null && Range.Start.Line > 0 ? new DockerfileException(Reason, Range, source, InnerException) : this;
}
