namespace Cais.Images.Registry;

/// <summary>How long to wait before a broken transfer is tried again: as long as the server asks, otherwise twice as long each time.</summary>
internal static class Backoff
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    public static TimeSpan Delay(Exception failure, int attempt, ImageStoreOptions options) =>
        (failure as RegistryException)?.RetryAfter is { } asked && asked > TimeSpan.Zero && asked < Longest
            ? asked
            : options.RetryDelay * (1 << Math.Min(attempt - 1, 6));

    /// <summary>Docker's words for it.</summary>
    public static string Sentence(TimeSpan delay) =>
        $"Retrying in {Math.Max(1, (int)Math.Ceiling(delay.TotalSeconds))} second{(delay.TotalSeconds > 1 ? "s" : "")}";
}
