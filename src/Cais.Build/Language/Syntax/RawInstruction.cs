namespace Cais.Build.Language.Syntax;

/// <summary>One instruction before its arguments are understood.</summary>
internal sealed record RawInstruction
{
    /// <summary>The keyword as written.</summary>
    public required string Keyword { get; init; }

    public required SourceRange KeywordRange { get; init; }

    public required IReadOnlyList<RawFlag> Flags { get; init; }

    /// <summary>What follows keyword and flags, trimmed.</summary>
    public required LogicalText Arguments { get; init; }

    /// <summary>Keyword, flags and arguments in one line.</summary>
    public required string Text { get; init; }

    /// <summary>From the keyword to the end of the last line, including heredocs.</summary>
    public required SourceRange Range { get; init; }

    public IReadOnlyList<Heredoc> Heredocs { get; init; } = [];

    /// <summary>Comment lines directly above.</summary>
    public IReadOnlyList<Comment> Comments { get; init; } = [];

    /// <summary>Empty lines inside the continued instruction.</summary>
    public IReadOnlyList<int> EmptyLines { get; init; } = [];

    public string Name => Keyword.ToUpperInvariant();
}

/// <summary><c>--name</c> or <c>--name=value</c>, quotes removed.</summary>
internal readonly record struct RawFlag(string Name, string? Value, SourceRange Range);

/// <summary>A comment line's text without <c>#</c>, trimmed.</summary>
public readonly record struct Comment(string Text, int Line);

/// <summary>A here-document: the lines that follow an instruction up to its end word.</summary>
public sealed record Heredoc
{
    /// <summary>The end word, quotes removed: with COPY and ADD the file's name.</summary>
    public required string Name { get; init; }

    /// <summary>The lines with their ends; leading tabs are gone with <c>&lt;&lt;-</c>.</summary>
    public required string Content { get; init; }

    /// <summary>The descriptor it is fed to; 0 if not given.</summary>
    public int Descriptor { get; init; }

    /// <summary>Whether variables in it are expanded: its word was not quoted.</summary>
    public bool Expands { get; init; }

    /// <summary>Whether leading tabs were stripped (<c>&lt;&lt;-</c>).</summary>
    public bool StripsTabs { get; init; }

    /// <summary>The first line of the content.</summary>
    public int Line { get; init; }
}
