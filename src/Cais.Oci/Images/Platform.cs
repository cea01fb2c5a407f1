using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace Cais.Oci.Images;

/// <summary>What machine an image is for (image-spec, image-index.md, "platform"), in Go's words: <c>linux/amd64</c>, <c>linux/arm/v7</c>.</summary>
public sealed record Platform
{
    [JsonPropertyName("architecture")]
    public string Architecture { get; init => field = value ?? ""; } = "";

    [JsonPropertyName("os")]
    public string Os { get; init => field = value ?? ""; } = "";

    [JsonPropertyName("os.version")]
    public string? OsVersion { get; init; }

    [JsonPropertyName("os.features")]
    public IReadOnlyList<string>? OsFeatures { get; init; }

    [JsonPropertyName("variant")]
    public string? Variant { get; init; }

    /// <summary>The machine this process runs on.</summary>
    public static Platform Current { get; } = new Platform { Os = "linux", Architecture = CurrentArchitecture() }.Normalized();

    /// <summary>
    /// <c>os</c>, <c>architecture</c>, <c>os/architecture</c> or <c>os/architecture/variant</c>; other machines' names for the same thing
    /// (<c>x86_64</c>, <c>aarch64</c>) are accepted. Throws <see cref="ImageFormatException"/>.
    /// </summary>
    public static Platform Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('/');
        if (parts.Length > 3 || parts.Any(p => p.Length == 0 || p.AsSpan().IndexOfAnyExcept(NameCharacters) >= 0))
        {
            throw new ImageFormatException($"\"{Shown.Of(text)}\" is an invalid OS/architecture platform: use os, architecture, or os/architecture[/variant]");
        }

        var platform = parts.Length switch
        {
            1 when KnownSystems.Contains(parts[0].ToLowerInvariant()) => Current with { Os = parts[0] },
            1 => new Platform { Os = Current.Os, Architecture = parts[0] },
            2 => new Platform { Os = parts[0], Architecture = parts[1] },
            _ => new Platform { Os = parts[0], Architecture = parts[1], Variant = parts[2] },
        };
        return platform.Normalized();
    }

    /// <summary>The one spelling of each machine: lower case, <c>amd64</c> for <c>x86_64</c>, no variant where only one exists.</summary>
    public Platform Normalized()
    {
        var architecture = Architecture.ToLowerInvariant();
        var variant = string.IsNullOrEmpty(Variant) ? null : Variant.ToLowerInvariant();
        (architecture, variant) = (architecture, variant) switch
        {
            ("i386" or "i486" or "i586" or "i686" or "386", _) => ("386", null),
            ("x86_64" or "x86-64" or "amd64", "v1" or null) => ("amd64", null),
            ("x86_64" or "x86-64" or "amd64", _) => ("amd64", variant),
            ("aarch64" or "arm64", "8" or "v8" or "v8.0" or null) => ("arm64", null),
            ("aarch64" or "arm64", _) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", null or "7") => ("arm", "v7"),
            ("arm", "5" or "6" or "8") => ("arm", "v" + variant),
            _ => (architecture, variant),
        };
        var os = Os.ToLowerInvariant();
        return this with { Os = os == "macos" ? "darwin" : os, Architecture = architecture, Variant = variant };
    }

    /// <summary>
    /// How well an image for <paramref name="offered"/> serves this machine: null if it cannot run, 0 for an exact match, more for lesser
    /// variants (arm v7 runs v6 and v5; arm64 may run 32-bit arm; amd64 v3 runs v2 and plain).
    /// </summary>
    public int? Preference(Platform offered)
    {
        var (wanted, has) = (Normalized(), offered.Normalized());
        if (wanted.Os != has.Os || (wanted.OsVersion is not null && has.OsVersion is not null && wanted.OsVersion != has.OsVersion))
        {
            return null;
        }

        if (wanted.Architecture == has.Architecture)
        {
            var (top, given) = (VariantLevel(wanted), VariantLevel(has));
            return wanted.Variant == has.Variant ? 0 : top is { } t && given is { } g && g <= t ? t - g : null;
        }

        return wanted.Architecture == "arm64" && has.Architecture == "arm" && VariantLevel(has) is { } level and <= 8 ? 100 - level : null;
    }

    /// <summary><c>linux/arm/v7</c>.</summary>
    public override string ToString() => string.IsNullOrEmpty(Variant) ? $"{Os}/{Architecture}" : $"{Os}/{Architecture}/{Variant}";

    private const string NameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    private static readonly string[] KnownSystems =
        ["linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "solaris", "illumos", "android", "aix", "dragonfly", "plan9", "js", "wasip1"];

    private static int? VariantLevel(Platform p) => (p.Architecture, p.Variant) switch
    {
        ("amd64", null) => 1,
        ("arm64", null) => 80,
        ("arm64", { } v) when v.StartsWith('v') && decimal.TryParse(v.AsSpan(1), out var level) && level is > 0 and < 100 => (int)(level * 10),
        (_, { Length: 2 } v) when v[0] == 'v' && char.IsAsciiDigit(v[1]) => v[1] - '0',
        _ => null,
    };

    private static string CurrentArchitecture() => RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "amd64",
        System.Runtime.InteropServices.Architecture.X86 => "386",
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        System.Runtime.InteropServices.Architecture.Arm => "arm",
        var other => other.ToString().ToLowerInvariant(),
    };
}
