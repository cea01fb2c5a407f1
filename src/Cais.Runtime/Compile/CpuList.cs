using System.Globalization;

namespace Cais.Runtime.Compile;

/// <summary>Lists such as <c>0-3,8</c>; cpuset(7).</summary>
internal static class CpuList
{
    public static IReadOnlyList<int> Parse(string text, int highest)
    {
        var numbers = new List<int>();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var dash = part.IndexOf('-', StringComparison.Ordinal);
            var from = Number(dash < 0 ? part : part[..dash], text, highest);
            var to = dash < 0 ? from : Number(part[(dash + 1)..], text, highest);
            if (to < from)
            {
                throw new RuntimeException(RuntimeError.InvalidConfig, $"\"{text}\" is not a list of numbers: {part} runs backwards");
            }

            for (var i = from; i <= to; i++)
            {
                numbers.Add(i);
            }
        }

        return numbers;
    }

    private static int Number(string text, string whole, int highest) =>
        int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value <= highest
            ? value : throw new RuntimeException(RuntimeError.InvalidConfig, $"\"{whole}\" is not a list of numbers up to {highest}");
}
