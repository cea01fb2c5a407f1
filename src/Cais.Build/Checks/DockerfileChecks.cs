using System.Text.RegularExpressions;
using Cais.Build.Language;
using Cais.Build.Language.Expansion;
using Cais.Oci.Images;

namespace Cais.Build.Checks;

/// <summary>The checks that need nothing but the text. Those that need values or images are made where the build is planned.</summary>
internal static partial class DockerfileChecks
{
    public static void Run(Dockerfile file, CheckReport report)
    {
        CheckCasing(file, report);
        CheckFrom(file, report);
        CheckDefaultsInFrom(file, report);
        foreach (var instruction in file.Instructions)
        {
            CheckInstruction(instruction, report);
        }

        foreach (var stage in file.Stages)
        {
            CheckStage(stage, report);
        }
    }

    private static void CheckInstruction(Instruction instruction, CheckReport report)
    {
        if (instruction.EmptyLines.Count > 0)
        {
            report.Add(Rules.NoEmptyContinuation, "Empty continuation line", instruction.Range);
        }

        switch (instruction)
        {
            case MaintainerInstruction:
                report.Add(Rules.MaintainerDeprecated, "Maintainer instruction is deprecated in favor of using label", instruction.Range);
                break;
            case EnvInstruction { IsLegacy: true } or LabelInstruction { IsLegacy: true }:
                report.Add(Rules.LegacyKeyValueFormat, $"\"{instruction.Name} key=value\" should be used instead of legacy \"{instruction.Name} key value\" format", instruction.Range);
                break;
        }

        var names = instruction switch
        {
            EnvInstruction env => env.Variables.Select(v => v.Name.Value),
            ArgInstruction argument => argument.Arguments.Select(a => a.Name.Value),
            _ => [],
        };
        foreach (var name in names.Where(n => SecretName().IsMatch(n) && !PublicName().IsMatch(n)))
        {
            report.Add(Rules.SecretsUsedInArgOrEnv, $"Do not use ARG or ENV instructions for sensitive data ({instruction.Name} \"{name}\")", instruction.Range);
        }

        CheckDescription(instruction, report);
    }

    private static void CheckDescription(Instruction instruction, CheckReport report)
    {
        var name = instruction switch
        {
            ArgInstruction { Arguments.Count: 1 } argument => argument.Arguments[0].Name.Value,
            FromInstruction from => from.StageName,
            _ => null,
        };
        if (name is not null && instruction.Comments.Count > 0 && instruction.Comments[^1] is var comment
            && !comment.Text.StartsWith("check=", StringComparison.OrdinalIgnoreCase)
            && !comment.Text.StartsWith(name + " ", StringComparison.Ordinal))
        {
            report.Add(Rules.InvalidDefinitionDescription, $"Comment for {instruction.Name} should follow the format: `# {name} <description>`", instruction.Range);
        }
    }

    private static void CheckCasing(Dockerfile file, CheckReport report)
    {
        var upper = file.Instructions.Count(i => IsUpper(i.Keyword));
        var lower = file.Instructions.Count(i => IsLower(i.Keyword));
        var majority = lower > upper ? "lowercase" : "uppercase";
        foreach (var instruction in file.Instructions)
        {
            var wanted = lower > upper ? instruction.Keyword.ToLowerInvariant() : instruction.Name;
            if (instruction.Keyword != wanted)
            {
                report.Add(
                    Rules.ConsistentInstructionCasing, $"Command '{instruction.Keyword}' should match the case of the command majority ({majority})", instruction.Range);
            }
        }
    }

    private static void CheckFrom(Dockerfile file, CheckReport report)
    {
        var names = new HashSet<string>();
        foreach (var from in file.Stages.Select(s => s.From))
        {
            if (from.StageNameText is { } name)
            {
                if (name.Value != from.StageName)
                {
                    report.Add(Rules.StageNameCasing, $"Stage name '{name}' should be lowercase", from.Range);
                }

                if (!names.Add(from.StageName!))
                {
                    report.Add(Rules.DuplicateStageName, $"Duplicate stage name \"{name}\", stage names should be unique", from.Range);
                }

                if (from.StageName is "scratch" or "context")
                {
                    report.Add(Rules.ReservedStageName, $"Stage name should not use the same name as reserved stage \"{from.StageName}\"", from.Range);
                }

                if (IsUpper(from.Keyword) != IsUpper(from.As!.Value.Value) || IsLower(from.Keyword) != IsLower(from.As.Value.Value))
                {
                    report.Add(Rules.FromAsCasing, $"'{from.As}' and '{from.Keyword}' keywords' casing do not match", from.Range);
                }
            }

            if (from.Platform is { } platform)
            {
                CheckPlatform(from, platform.Value, report);
            }
        }
    }

    private static void CheckPlatform(FromInstruction from, string platform, CheckReport report)
    {
        if (platform is "$TARGETPLATFORM" or "${TARGETPLATFORM}")
        {
            report.Add(Rules.RedundantTargetPlatform, $"Setting platform to predefined {platform} in FROM is redundant as this is the default behavior", from.Range);
        }
        else if (!platform.Contains('$', StringComparison.Ordinal))
        {
            // A stage that says in its name what it is for may be bound to it.
            var parts = platform.Split('/');
            if (from.StageName is null || !parts.Any(p => from.StageName.Contains(p, StringComparison.OrdinalIgnoreCase)))
            {
                report.Add(Rules.FromPlatformFlagConstDisallowed, $"FROM --platform flag should not use constant value \"{platform}\"", from.Range);
            }
        }
    }

    private static void CheckDefaultsInFrom(Dockerfile file, CheckReport report)
    {
        var expander = new ShellExpander(file.Directives.Escape);
        var defaults = new Dictionary<string, string>();
        try
        {
            foreach (var argument in file.GlobalArguments.SelectMany(g => g.Arguments))
            {
                defaults[argument.Name.Value] = argument.Default is { } text ? expander.Expand(text.Value, new DictionaryVariables(defaults)) : "";
            }

            foreach (var from in file.Stages.Select(s => s.From).Where(f => f.Base.Value.Contains('$', StringComparison.Ordinal)))
            {
                var name = expander.Expand(from.Base.Value, new DictionaryVariables(defaults));
                if (!Reference.TryParse(name, out _))
                {
                    report.Add(Rules.InvalidDefaultArgInFrom, $"Default value for ARG {from.Base} results in empty or invalid base image name", from.Range);
                }
            }
        }
        catch (ExpansionException)
        {
            // Whether that matters depends on the values given; planning says so.
        }
    }

    private static void CheckStage(Stage stage, CheckReport report)
    {
        var hasShell = false;
        foreach (var instruction in stage.Instructions)
        {
            hasShell |= instruction is ShellInstruction;
            var command = instruction switch { CmdInstruction c => c.Command, EntrypointInstruction e => e.Command, _ => null };
            if (command is { IsShell: true } && !hasShell)
            {
                report.Add(
                    Rules.JSONArgsRecommended, $"JSON arguments recommended for {instruction.Name} to prevent unintended behavior related to OS signals", instruction.Range);
            }
        }

        foreach (var group in stage.Instructions.Where(i => i is CmdInstruction or EntrypointInstruction or HealthcheckInstruction).GroupBy(i => i.Name))
        {
            foreach (var earlier in group.SkipLast(1))
            {
                report.Add(
                    Rules.MultipleInstructionsDisallowed,
                    $"Multiple {group.Key} instructions should not be used in the same stage because only the last one will be used", earlier.Range);
            }
        }
    }

    private static bool IsUpper(string text) => text.AsSpan().IndexOfAnyInRange('a', 'z') < 0;

    private static bool IsLower(string text) => text.AsSpan().IndexOfAnyInRange('A', 'Z') < 0;

    [GeneratedRegex("(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex("(?:_|^)(?:public|file|version)(?:_|$)", RegexOptions.IgnoreCase)]
    private static partial Regex PublicName();
}
