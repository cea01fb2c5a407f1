using System.Globalization;
using System.Text.Json;
using Cais.Build.Cache;

namespace Cais.Daemon.Configuration;

/// <summary>The configuration file's <c>builder.gc</c>: when the build cache is made smaller by itself. Names are matched without regard to case.</summary>
internal static class BuilderSection
{
    /// <summary>Null if it never is. Throws <see cref="ConfigurationException"/> for a value that is no size.</summary>
    public static CacheLimits? Limits(JsonElement? builder)
    {
        if (builder is null || Find(builder.Value, "gc") is not { ValueKind: JsonValueKind.Object } gc)
        {
            return CacheLimits.Default;
        }

        if (Find(gc, "enabled") is { ValueKind: JsonValueKind.False })
        {
            return null;
        }

        var reserved = Size(gc, "defaultReservedSpace") ?? Size(gc, "defaultKeepStorage");
        var (most, free) = (Size(gc, "defaultMaxUsedSpace"), Size(gc, "defaultMinFreeSpace"));
        if (reserved is null && most is null && free is null)
        {
            return CacheLimits.Default;
        }

        // Of one kind: hundredths of the disk where all are, otherwise bytes, of this disk.
        var given = new[] { reserved, most, free }.OfType<(long Value, bool IsPercent)>().ToList();
        if (given.TrueForAll(g => g.IsPercent))
        {
            return new CacheLimits(reserved?.Value ?? CacheLimits.Default.Reserved, most?.Value ?? CacheLimits.Default.MaxUsed, free?.Value ?? CacheLimits.Default.MinFree, DiskPercent: true);
        }

        if (given.Exists(g => g.IsPercent))
        {
            throw new ConfigurationException("builder.gc: give all sizes in bytes or all in percent");
        }

        return new CacheLimits(reserved?.Value ?? 0, most?.Value ?? 0, free?.Value ?? 0);
    }

    private static JsonElement? Find(JsonElement parent, string name)
    {
        if (parent.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in parent.EnumerateObject())
            {
                if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return property.Value;
                }
            }
        }

        return null;
    }

    private static (long Value, bool IsPercent)? Size(JsonElement gc, string name)
    {
        if (Find(gc, name) is not { } element)
        {
            return null;
        }

        var text = element.ValueKind == JsonValueKind.String ? element.GetString()!.Trim() : element.GetRawText();
        if (text.EndsWith('%') && long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var percent) && percent <= 100)
        {
            return (percent, true);
        }

        var number = text.TrimEnd('B', 'b', 'i');
        var factor = number.Length == 0 ? 1 : char.ToLowerInvariant(number[^1]) switch
        {
            'k' => 1L << 10,
            'm' => 1L << 20,
            'g' => 1L << 30,
            't' => 1L << 40,
            _ => 1L,
        };
        number = factor == 1 ? number : number[..^1];
        return decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value * factor < long.MaxValue
            ? ((long)(value * factor), false)
            : throw new ConfigurationException($"builder.gc.{name}: \"{text}\" is no size");
    }
}
