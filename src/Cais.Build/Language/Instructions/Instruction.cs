using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>One instruction of a Dockerfile, before variables are expanded.</summary>
public abstract record Instruction
{
    /// <summary>The keyword as written.</summary>
    public string Keyword { get; init; } = "";

    public SourceRange Range { get; init; }

    public SourceRange KeywordRange { get; init; }

    /// <summary>The whole instruction in one line, without heredoc contents.</summary>
    public string Text { get; init; } = "";

    /// <summary>Comment lines directly above.</summary>
    public IReadOnlyList<Comment> Comments { get; init; } = [];

    /// <summary>Empty lines inside the continued instruction.</summary>
    public IReadOnlyList<int> EmptyLines { get; init; } = [];

    /// <summary>The instruction's name in capital letters.</summary>
    public string Name => Keyword.ToUpperInvariant();
}

/// <summary>A value as written, and where.</summary>
public readonly record struct Text(string Value, SourceRange Range)
{
    public override string ToString() => Value;
}

/// <summary><c>name=value</c>; the name may have variables too.</summary>
public readonly record struct Pair(Text Name, Text Value);

/// <summary>A command line: words to execute as they are, or text for the stage's shell.</summary>
public sealed record CommandLine(bool IsShell, IReadOnlyList<string> Words)
{
    /// <summary>The arguments as they run: with the shell in front of shell form.</summary>
    public IReadOnlyList<string> Resolve(IReadOnlyList<string> shell) => IsShell ? [.. shell, Words.Count > 0 ? Words[0] : ""] : Words;
}

public sealed record FromInstruction : Instruction
{
    public required Text Base { get; init; }

    public Text? Platform { get; init; }

    /// <summary>The stage's name in lower case.</summary>
    public string? StageName { get; init; }

    /// <summary>The stage's name and <c>AS</c> as written.</summary>
    public Text? StageNameText { get; init; }

    public Text? As { get; init; }
}

public sealed record ArgInstruction : Instruction
{
    public required IReadOnlyList<ArgDefinition> Arguments { get; init; }
}

/// <summary>A build argument; the default is null if there is none.</summary>
public sealed record ArgDefinition(Text Name, Text? Default);

public sealed record EnvInstruction : Instruction
{
    public required IReadOnlyList<Pair> Variables { get; init; }

    /// <summary><c>ENV name value</c>.</summary>
    public bool IsLegacy { get; init; }
}

public sealed record LabelInstruction : Instruction
{
    public required IReadOnlyList<Pair> Labels { get; init; }

    public bool IsLegacy { get; init; }
}

public sealed record MaintainerInstruction : Instruction
{
    public required string Author { get; init; }
}

public sealed record RunInstruction : Instruction
{
    public required CommandLine Command { get; init; }

    public IReadOnlyList<Text> Mounts { get; init; } = [];

    public RunNetwork Network { get; init; }

    public bool IsInsecure { get; init; }

    public IReadOnlyList<Text> Devices { get; init; } = [];

    public IReadOnlyList<Heredoc> Heredocs { get; init; } = [];
}

public enum RunNetwork
{
    Default,
    None,
    Host,
}

public sealed record CmdInstruction : Instruction
{
    public required CommandLine Command { get; init; }
}

public sealed record EntrypointInstruction : Instruction
{
    public required CommandLine Command { get; init; }
}

public sealed record ShellInstruction : Instruction
{
    public required IReadOnlyList<string> Shell { get; init; }
}

/// <summary>COPY and ADD.</summary>
public sealed record CopyInstruction : Instruction
{
    public bool IsAdd { get; init; }

    public required IReadOnlyList<Text> Sources { get; init; }

    /// <summary>Heredocs among the sources.</summary>
    public IReadOnlyList<Heredoc> Inline { get; init; } = [];

    public required Text Destination { get; init; }

    public Text? From { get; init; }

    public Text? Owner { get; init; }

    public Text? Mode { get; init; }

    public bool IsLink { get; init; }

    public bool KeepsParents { get; init; }

    public IReadOnlyList<Text> Exclude { get; init; } = [];

    public Text? Checksum { get; init; }

    /// <summary>Null for what is usual: local archives are unpacked, downloaded ones are not.</summary>
    public bool? Unpack { get; init; }

    public bool? KeepGitDirectory { get; init; }
}

public sealed record ExposeInstruction : Instruction
{
    public required IReadOnlyList<Text> Ports { get; init; }
}

public sealed record VolumeInstruction : Instruction
{
    public required IReadOnlyList<Text> Paths { get; init; }
}

public sealed record UserInstruction : Instruction
{
    public required Text User { get; init; }
}

public sealed record WorkdirInstruction : Instruction
{
    public required Text Path { get; init; }
}

public sealed record StopSignalInstruction : Instruction
{
    public required Text Signal { get; init; }
}

/// <summary>HEALTHCHECK; the command is null for NONE. Null options are those not given.</summary>
public sealed record HealthcheckInstruction : Instruction
{
    public CommandLine? Command { get; init; }

    public TimeSpan? Interval { get; init; }

    public TimeSpan? Timeout { get; init; }

    public TimeSpan? StartPeriod { get; init; }

    public TimeSpan? StartInterval { get; init; }

    public int? Retries { get; init; }
}

/// <summary>ONBUILD: the trigger's text, which is checked now and read again where it fires.</summary>
public sealed record OnbuildInstruction : Instruction
{
    public required string Trigger { get; init; }

    /// <summary>The trigger with its heredocs' contents, as it is stored in the image.</summary>
    public required string TriggerWithHeredocs { get; init; }

    public required Instruction Parsed { get; init; }
}
