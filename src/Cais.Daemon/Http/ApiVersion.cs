using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Cais.Daemon.Http;

/// <summary>A version of the Engine API, as in the path prefix <c>/v1.47/</c>.</summary>
internal readonly record struct ApiVersion(int Major, int Minor) : IComparable<ApiVersion>
{
    /// <summary>The newest that this engine speaks: the one of docker 29.6 and 29.7.</summary>
    public static readonly ApiVersion Newest = new(1, 55);

    /// <summary>The oldest that this engine speaks.</summary>
    public static readonly ApiVersion Oldest = new(1, 24);

    public static bool TryParse(ReadOnlySpan<char> text, out ApiVersion version)
    {
        version = default;
        var dot = text.IndexOf('.');
        if (dot <= 0
            || !int.TryParse(text[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var major)
            || !int.TryParse(text[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var minor))
        {
            return false;
        }

        version = new(major, minor);
        return true;
    }

    /// <summary>Takes <c>/v1.47</c> off the front of a path, where it is there.</summary>
    public static bool TryTakePrefix(string path, out ApiVersion version, [NotNullWhen(true)] out string? rest)
    {
        rest = null;
        version = default;
        if (!path.StartsWith("/v", StringComparison.Ordinal))
        {
            return false;
        }

        var end = path.IndexOf('/', 2);
        if (end < 0 || !TryParse(path.AsSpan(2, end - 2), out version))
        {
            return false;
        }

        rest = path[end..];
        return true;
    }

    public int CompareTo(ApiVersion other) => Major != other.Major ? Major.CompareTo(other.Major) : Minor.CompareTo(other.Minor);

    public static bool operator <(ApiVersion a, ApiVersion b) => a.CompareTo(b) < 0;

    public static bool operator >(ApiVersion a, ApiVersion b) => a.CompareTo(b) > 0;

    public static bool operator <=(ApiVersion a, ApiVersion b) => a.CompareTo(b) <= 0;

    public static bool operator >=(ApiVersion a, ApiVersion b) => a.CompareTo(b) >= 0;

    public override string ToString() => $"{Major}.{Minor}";
}
