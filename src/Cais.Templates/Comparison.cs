namespace Cais.Templates;

/// <summary>eq, lt and their kin: values of one basic kind compare, everything else is a mistake.</summary>
internal static class Comparison
{
    /// <summary>True when the first argument equals one of the others.</summary>
    public static object EqualsAny(IReadOnlyList<object?> arguments)
    {
        if (arguments.Count < 2)
        {
            throw new FormatException("missing argument for comparison");
        }

        return arguments.Skip(1).Any(other => AreEqual(arguments[0], other));
    }

    public static bool AreEqual(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (null, _) or (_, null) => false,
        (bool l, bool r) => l == r,
        (string l, string r) => l == r,
        (long or ulong, long or ulong) => Order(left, right) == 0,
        (double l, double r) => l == r,
        (GoMap or GoStruct or IReadOnlyList<object?>, _) or (_, GoMap or GoStruct or IReadOnlyList<object?>) =>
            throw NotComparable(left is GoMap or GoStruct or IReadOnlyList<object?> ? left : right),
        _ => throw new FormatException("incompatible types for comparison"),
    };

    public static int Compare(object? left, object? right) => (left, right) switch
    {
        (string l, string r) => string.CompareOrdinal(l, r),
        (long or ulong, long or ulong) => Order(left, right),
        (double l, double r) => l.CompareTo(r),
        (bool, bool) or (null, _) or (_, null) or (GoMap or GoStruct or IReadOnlyList<object?>, _) or (_, GoMap or GoStruct or IReadOnlyList<object?>) =>
            throw new FormatException("invalid type for comparison"),
        _ => throw new FormatException("incompatible types for comparison"),
    };

    private static FormatException NotComparable(object? value) => new($"non-comparable type {GoPrinter.Text(value)}: {GoPrinter.TypeName(value)}");

    private static int Order(object left, object right)
    {
        static decimal Value(object number) => number is long l ? l : (ulong)number;
        return Value(left).CompareTo(Value(right));
    }
}
