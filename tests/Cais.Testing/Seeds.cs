using System.Globalization;

namespace Cais.Testing;

/// <summary>
/// Where the chance in tests comes from. A change is judged by what it changed, so the numbers are always the same ones; <c>CAIS_SEED=random</c>
/// (or a number) looks elsewhere, and whatever that finds becomes a test of its own.
/// </summary>
public static class Seeds
{
    /// <summary>The seed of this run.</summary>
    public static int Value { get; } = Environment.GetEnvironmentVariable("CAIS_SEED") switch
    {
        null or "" => 20260924,
        "random" => Random.Shared.Next(),
        var text => int.Parse(text, CultureInfo.InvariantCulture),
    };
}
