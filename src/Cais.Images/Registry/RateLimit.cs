using System.Globalization;

namespace Cais.Images.Registry;

/// <summary>How many pulls a registry still allows, by the headers that Docker Hub and others send: <c>ratelimit-remaining: 76;w=21600</c>.</summary>
internal sealed record RateLimit(long Limit, long Remaining, TimeSpan Window)
{
    public static RateLimit? Of(HttpResponseMessage answer) =>
        Read(answer, "ratelimit-limit") is { } limit && Read(answer, "ratelimit-remaining") is { } remaining
            ? new RateLimit(limit.Count, remaining.Count, limit.Window)
            : null;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Remaining} of {Limit} pulls left{(Window > TimeSpan.Zero ? $" per {Words(Window)}" : "")}");

    private static string Words(TimeSpan window) =>
        window.TotalHours >= 1 ? $"{window.TotalHours:0.#} h" : window.TotalMinutes >= 1 ? $"{window.TotalMinutes:0.#} min" : $"{window.TotalSeconds:0} s";

    private static (long Count, TimeSpan Window)? Read(HttpResponseMessage answer, string header)
    {
        if (!answer.Headers.TryGetValues(header, out var values) || values.FirstOrDefault() is not { } text)
        {
            return null;
        }

        var parts = text.Split(';', StringSplitOptions.TrimEntries);
        if (!long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            return null;
        }

        var window = parts.Skip(1).FirstOrDefault(p => p.StartsWith("w=", StringComparison.Ordinal));
        return (count, window is not null && int.TryParse(window.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero);
    }
}
