namespace Cais.Cli;

/// <summary>What this program calls itself. The build writes the other part, with the version and the commit.</summary>
internal static partial class ProductVersion
{
    public const string Name = "cais";

    /// <summary>Version number: <c>0.1.0</c>.</summary>
    public static string Text => Informational.IndexOf('+') is > 0 and var plus ? Informational[..plus] : Informational;

    /// <summary>Abbreviated commit, or <c>unknown</c> outside of a repository.</summary>
    public static string Build => Informational.IndexOf('+') is > 0 and var plus
        ? Informational[(plus + 1)..Math.Min(Informational.Length, plus + 8)]
        : "unknown";
}
