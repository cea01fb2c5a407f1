using System.Diagnostics.CodeAnalysis;

namespace Cais.Oci.Images;

/// <summary>
/// A complete image name: registry, repository, and optionally a tag, a digest, or both. What a user typed becomes one by Docker's rules:
/// <c>busybox</c> is <c>docker.io/library/busybox</c>, <c>localhost/x</c> and <c>host:5000/x</c> name a registry, <c>user/x</c> does not.
/// Grammar: github.com/distribution/reference.
/// </summary>
public sealed record Reference
{
    public const string DefaultDomain = "docker.io";
    public const string DefaultTag = "latest";
    private const string OfficialPrefix = "library/";
    private const int LongestName = 255;
    private const int LongestTag = 128;

    private Reference(string domain, string path, string? tag, Digest? digest)
    {
        Domain = domain;
        Path = path;
        Tag = tag;
        Digest = digest;
    }

    /// <summary>The registry: <c>docker.io</c>, <c>localhost:5000</c>.</summary>
    public string Domain { get; }

    /// <summary>The repository within its registry: <c>library/busybox</c>.</summary>
    public string Path { get; }

    public string? Tag { get; }

    public Digest? Digest { get; }

    /// <summary>Registry and repository: <c>docker.io/library/busybox</c>.</summary>
    public string Name => $"{Domain}/{Path}";

    /// <summary>The repository as Docker shows it: <c>busybox</c>. What would then be taken for an image's ID keeps its <c>library/</c>.</summary>
    public string FamiliarName =>
        Domain != DefaultDomain ? Name
        : Path.StartsWith(OfficialPrefix, StringComparison.Ordinal) && Path.IndexOf('/', OfficialPrefix.Length) < 0 && !IsBareHash(Path.AsSpan(OfficialPrefix.Length)) ? Path[OfficialPrefix.Length..]
        : Path;

    /// <summary>The whole reference as Docker shows it: <c>busybox:latest</c>.</summary>
    public string Familiar => FamiliarName + Suffix;

    private string Suffix => (Tag is null ? "" : ":" + Tag) + (Digest is null ? "" : "@" + Digest.Value);

    /// <summary>What was typed, by Docker's rules. Throws <see cref="ImageFormatException"/> with Docker's sentence.</summary>
    public static Reference Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (IsBareHash(text))
        {
            throw new ImageFormatException($"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings");
        }

        var (domain, rest) = SplitDomain(text);
        var at = rest.IndexOf('@', StringComparison.Ordinal);
        var beforeDigest = at < 0 ? rest : rest[..at];
        var colon = beforeDigest.IndexOf(':', StringComparison.Ordinal);
        var path = colon < 0 ? beforeDigest : beforeDigest[..colon];
        var tag = colon < 0 ? null : beforeDigest[(colon + 1)..];
        if (path.AsSpan().IndexOfAnyInRange('A', 'Z') >= 0)
        {
            throw new ImageFormatException($"invalid reference format: repository name ({Shown.Of(path)}) must be lowercase");
        }

        if (!IsDomain(domain) || !IsPath(path) || (tag is not null && !IsTag(tag)))
        {
            throw new ImageFormatException("invalid reference format");
        }

        if (domain.Length + 1 + path.Length > LongestName)
        {
            throw new ImageFormatException($"repository name must not be more than {LongestName} characters");
        }

        Digest? digest = null;
        if (at >= 0)
        {
            digest = Images.Digest.TryParse(rest[(at + 1)..], out var parsed) ? parsed : throw BadDigest(rest[(at + 1)..]);
        }

        return new Reference(domain, path, tag, digest);
    }

    public static bool TryParse(string? text, [NotNullWhen(true)] out Reference? reference)
    {
        try
        {
            reference = text is null ? null : Parse(text);
        }
        catch (ImageFormatException)
        {
            reference = null;
        }

        return reference is not null;
    }

    /// <summary>This reference, with the tag <c>latest</c> if it has neither tag nor digest.</summary>
    public Reference WithDefaultTag() => Tag is null && Digest is null ? new Reference(Domain, Path, DefaultTag, null) : this;

    /// <summary>The same repository with this tag and no digest. Throws <see cref="ImageFormatException"/> if it is no tag.</summary>
    public Reference WithTag(string tag) => IsTag(tag) ? new Reference(Domain, Path, tag, null) : throw new ImageFormatException("invalid tag format");

    /// <summary>The same repository with this digest and no tag.</summary>
    public Reference WithDigest(Digest digest) => new(Domain, Path, null, digest);

    /// <summary>The repository alone.</summary>
    public Reference WithoutTag() => new(Domain, Path, null, null);

    /// <summary>The canonical form: <c>docker.io/library/busybox:latest</c>.</summary>
    public override string ToString() => Name + Suffix;

    /// <summary>Whether this can be a tag: <c>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}</c>.</summary>
    public static bool IsTag(ReadOnlySpan<char> tag)
    {
        if (tag.Length is 0 or > LongestTag || tag[0] is '.' or '-')
        {
            return false;
        }

        foreach (var c in tag)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-'))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsBareHash(ReadOnlySpan<char> text) => text.Length == 64 && text.IndexOfAnyExcept("0123456789abcdef") < 0;

    private static ImageFormatException BadDigest(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var hex = colon < 0 ? "" : text[(colon + 1)..];
        return colon <= 0 || hex.Length < 32 || hex.AsSpan().IndexOfAnyExcept("0123456789abcdefABCDEF") >= 0
            ? new ImageFormatException("invalid reference format")
            : text.StartsWith("sha256:", StringComparison.Ordinal) || text.StartsWith("sha512:", StringComparison.Ordinal)
                ? new ImageFormatException("invalid checksum digest length")
                : new ImageFormatException("unsupported digest algorithm");
    }

    /// <summary>A first component with a dot or colon in it, or <c>localhost</c>, or with a capital letter, is a registry; anything else is on Docker Hub.</summary>
    private static (string Domain, string Remainder) SplitDomain(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : text[..slash];
        var hasDomain = slash >= 0 && (first.AsSpan().IndexOfAny('.', ':') >= 0 || first == "localhost" || first.AsSpan().IndexOfAnyInRange('A', 'Z') >= 0);
        var domain = !hasDomain ? DefaultDomain : first == "index.docker.io" ? DefaultDomain : first;
        var rest = hasDomain ? text[(slash + 1)..] : text;
        return domain == DefaultDomain && !rest.Contains('/', StringComparison.Ordinal) ? (domain, OfficialPrefix + rest) : (domain, rest);
    }

    private static bool IsDomain(ReadOnlySpan<char> domain)
    {
        if (domain.StartsWith("["))
        {
            var end = domain.IndexOf(']');
            return end > 1 && domain[1..end].IndexOfAnyExcept("0123456789abcdefABCDEF:") < 0 && IsPortOrNothing(domain[(end + 1)..]);
        }

        var colon = domain.IndexOf(':');
        var host = colon < 0 ? domain : domain[..colon];
        if (colon >= 0 && !IsPortOrNothing(domain[colon..]))
        {
            return false;
        }

        foreach (var range in host.Split('.'))
        {
            var label = host[range];
            if (label.IsEmpty || label[0] == '-' || label[^1] == '-')
            {
                return false;
            }

            foreach (var c in label)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c != '-')
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static bool IsPortOrNothing(ReadOnlySpan<char> text) =>
        text.IsEmpty || (text[0] == ':' && text.Length > 1 && text[1..].IndexOfAnyExcept("0123456789") < 0);

    private static bool IsPath(ReadOnlySpan<char> path)
    {
        foreach (var range in path.Split('/'))
        {
            if (!IsPathComponent(path[range]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Runs of <c>[a-z0-9]</c>, joined by one dot, one or two underscores, or any number of dashes.</summary>
    private static bool IsPathComponent(ReadOnlySpan<char> component)
    {
        var i = 0;
        while (true)
        {
            var start = i;
            while (i < component.Length && (char.IsAsciiLetterLower(component[i]) || char.IsAsciiDigit(component[i])))
            {
                i++;
            }

            if (i == start)
            {
                return false;
            }

            if (i == component.Length)
            {
                return true;
            }

            var separator = component[i];
            var separatorStart = i;
            while (i < component.Length && component[i] == separator)
            {
                i++;
            }

            var run = i - separatorStart;
            if (!(separator == '-' || (separator == '.' && run == 1) || (separator == '_' && run <= 2)))
            {
                return false;
            }
        }
    }
}
