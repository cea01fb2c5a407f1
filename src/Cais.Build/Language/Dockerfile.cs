using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>A whole Dockerfile, understood but not expanded.</summary>
public sealed record Dockerfile
{
    public required DockerfileSource Source { get; init; }

    public required ParserDirectives Directives { get; init; }

    /// <summary>ARG instructions before the first FROM.</summary>
    public required IReadOnlyList<ArgInstruction> GlobalArguments { get; init; }

    public required IReadOnlyList<Stage> Stages { get; init; }

    /// <summary>All instructions as they stand in the file.</summary>
    public required IReadOnlyList<Instruction> Instructions { get; init; }

    /// <summary>Reads a Dockerfile. Throws <see cref="DockerfileException"/>, which knows where.</summary>
    public static Dockerfile Parse(DockerfileSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        try
        {
            return ParseUnlocated(source);
        }
        catch (DockerfileException e)
        {
            throw e.SourceFile is null ? e.In(source) : e;
        }
    }

    /// <summary>The frontend that a file's first lines ask for, or null: the rest may be in another language. Throws <see cref="DockerfileException"/>.</summary>
    public static string? SyntaxOf(DockerfileSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return DirectiveReader.Read(source).Syntax;
    }

    /// <summary>Reads one instruction of an image's ONBUILD list, which may not be FROM, MAINTAINER or ONBUILD.</summary>
    public static IReadOnlyList<Instruction> ParseTrigger(string trigger, char escape = '\\')
    {
        var source = new DockerfileSource("ONBUILD", trigger);
        return [.. new DockerfileReader(source, escape).ReadAll().Select(raw => InstructionParser.ParseTrigger(raw, escape))];
    }

    private static Dockerfile ParseUnlocated(DockerfileSource source)
    {
        var directives = DirectiveReader.Read(source);
        var globals = new List<ArgInstruction>();
        var stages = new List<Stage>();
        var all = new List<Instruction>();
        List<Instruction>? current = null;
        foreach (var raw in new DockerfileReader(source, directives.Escape).ReadAll())
        {
            var instruction = InstructionParser.Parse(raw, directives.Escape);
            all.Add(instruction);
            switch (instruction)
            {
                case FromInstruction from:
                    current = [];
                    stages.Add(new Stage(stages.Count, from, current));
                    break;
                case ArgInstruction argument when current is null:
                    globals.Add(argument);
                    break;
                default:
                    if (current is null)
                    {
                        throw new DockerfileException($"no build stage in current context: FROM was expected before {instruction.Name}, only ARG may precede it", raw.KeywordRange);
                    }

                    current.Add(instruction);
                    break;
            }
        }

        if (all.Count == 0)
        {
            throw new DockerfileException("file with no instructions", default, source);
        }

        return stages.Count == 0
            ? throw new DockerfileException("dockerfile contains no stages to build: FROM was expected", all[^1].Range)
            : new Dockerfile { Source = source, Directives = directives, GlobalArguments = globals, Stages = stages, Instructions = all };
    }
}

/// <summary>FROM and what follows it.</summary>
public sealed record Stage(int Index, FromInstruction From, IReadOnlyList<Instruction> Instructions)
{
    public string? Name => From.StageName;

    /// <summary>The name, or the number as COPY --from writes it.</summary>
    public string DisplayName => Name ?? Index.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
