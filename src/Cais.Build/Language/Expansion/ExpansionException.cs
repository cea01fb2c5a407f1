namespace Cais.Build.Language.Expansion;

/// <summary>A substitution is malformed, or refuses because a variable is unset. <paramref name="offset"/> counts in the word.</summary>
public sealed class ExpansionException(string message, int offset) : Exception(message)
{
    public int Offset { get; } = offset;
}
