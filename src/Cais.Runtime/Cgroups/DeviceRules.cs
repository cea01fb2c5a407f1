using System.Globalization;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Cgroups;

/// <summary>The device controller's rules: nothing, then what the configuration says, then what every container may use.</summary>
internal static class DeviceRules
{
    private static readonly DeviceRule[] Always =
    [
        new() { Allow = true, Type = "c", Access = "m" },
        new() { Allow = true, Type = "b", Access = "m" },
        Character(1, 3), Character(1, 5), Character(1, 7), Character(1, 8), Character(1, 9), Character(5, 0), Character(5, 2),
        Character(136, null),
    ];

    private static DeviceRule Character(long major, long? minor) =>
        new() { Allow = true, Type = "c", Major = major, Minor = minor, Access = "rwm" };

    public static IEnumerable<DeviceRule> Effective(IReadOnlyList<DeviceRule>? configured)
    {
        if (configured is not [{ Allow: false, Type: null or "a" or "", Major: null or < 0, Minor: null or < 0 }, ..])
        {
            yield return new DeviceRule { Allow = false };
        }

        var all = false;
        foreach (var rule in configured ?? [])
        {
            all = IsAll(rule) ? rule.Allow : all;
            yield return rule;
        }

        // On top of "everything" the kernel refuses single rules.
        foreach (var rule in all ? [] : Always)
        {
            yield return rule;
        }
    }

    public static bool IsAll(DeviceRule rule) => rule is { Type: null or "a" or "", Major: null or < 0, Minor: null or < 0 };

    /// <summary>As devices.allow and devices.deny take it: <c>c 1:3 rwm</c>, <c>b *:* m</c>, <c>a</c>.</summary>
    public static string Text(DeviceRule rule)
    {
        if (IsAll(rule))
        {
            return "a";
        }

        var type = rule.Type is "c" or "b" or "u" ? rule.Type : rule.Type is null or "a" or "" ? "a" : throw new RuntimeException(
            RuntimeError.InvalidConfig, $"device rule has type \"{rule.Type}\": a, b and c are known");
        return $"{(type == "u" ? "c" : type)} {Number(rule.Major)}:{Number(rule.Minor)} {(string.IsNullOrEmpty(rule.Access) ? "rwm" : rule.Access)}";
    }

    private static string Number(long? number) => number is >= 0 ? number.Value.ToString(CultureInfo.InvariantCulture) : "*";
}
