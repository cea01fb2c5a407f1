namespace Cais.Cli.CommandLine;

/// <summary>How many arguments a command takes.</summary>
internal sealed record ArgumentRule(string Name, int Minimum, int Maximum)
{
    public static readonly ArgumentRule None = new("none", 0, 0);
    public static readonly ArgumentRule Any = new("any", 0, int.MaxValue);

    public static ArgumentRule Exactly(int count) => new($"ExactArgs({count})", count, count);

    public static ArgumentRule AtLeast(int count) => new($"RequiresMinArgs({count})", count, int.MaxValue);

    public static ArgumentRule AtMost(int count) => new($"RequiresMaxArgs({count})", 0, count);

    public static ArgumentRule Between(int minimum, int maximum) => new($"RequiresRangeArgs({minimum}, {maximum})", minimum, maximum);

    /// <summary>What is wrong with that many arguments, in docker's words; null when nothing is.</summary>
    public string? Violation(int count)
    {
        if (count >= Minimum && count <= Maximum)
        {
            return null;
        }

        if (this == None)
        {
            return "accepts no arguments";
        }

        return (Minimum, Maximum) switch
        {
            var (low, high) when low == high => $"requires {Arguments(low)}",
            (var low, int.MaxValue) => $"requires at least {Arguments(low)}",
            (0, var high) => $"requires at most {Arguments(high)}",
            var (low, high) => $"requires at least {low} and at most {Arguments(high)}",
        };
    }

    private static string Arguments(int count) => count == 1 ? "1 argument" : $"{count} arguments";
}
