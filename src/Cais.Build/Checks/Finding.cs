using Cais.Build.Language;

namespace Cais.Build.Checks;

/// <summary>One warning of the build checks.</summary>
/// <param name="Rule">The rule's name, as in <c># check=skip=…</c>.</param>
public sealed record Finding(string Rule, string Message, SourceRange Range)
{
    /// <summary>Where the rule is explained.</summary>
    public string Url => $"https://docs.docker.com/go/dockerfile/rule/{Kebab(Rule)}/";

    public override string ToString() => $"{Rule}: {Message} (line {Range.Start.Line})";

    private static string Kebab(string name) => string.Concat(name.Select((c, i) =>
        char.IsUpper(c) && i > 0 && (char.IsLower(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1]))) ? "-" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));
}
