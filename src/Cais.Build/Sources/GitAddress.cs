using System.Diagnostics.CodeAnalysis;

namespace Cais.Build.Sources;

/// <summary>
/// A Git repository, what to check out of it, and which directory of that: <c>https://host/repo.git#reference:directory</c>, or with a query,
/// <c>?ref=…&amp;subdir=…</c> (also tag, branch, commit, checksum, keep-git-dir, submodules).
/// </summary>
public sealed record GitAddress
{
    public required string Url { get; init; }

    /// <summary>A branch, tag or commit; null for the default branch.</summary>
    public string? Reference { get; init; }

    /// <summary>A directory of the checkout; empty for all of it.</summary>
    public string Directory { get; init; } = "";

    /// <summary>What the commit must begin with.</summary>
    public string? Checksum { get; init; }

    public bool KeepGitDirectory { get; init; }

    public bool Submodules { get; init; } = true;

    /// <summary>Files have the commit's time instead of the checkout's.</summary>
    public bool CommitTimes { get; init; }

    /// <summary>The secret that is a value of the header Authorization, see <see cref="GitAccess"/>.</summary>
    public string HeaderSecret { get; init; } = "GIT_AUTH_HEADER";

    /// <summary>The secret that is a token, see <see cref="GitAccess"/>.</summary>
    public string TokenSecret { get; init; } = "GIT_AUTH_TOKEN";

    /// <summary>Public keys of servers that are reached by SSH, as ssh(1) keeps them; null to take a key the first time that it is seen.</summary>
    public string? KnownHosts { get; init; }

    /// <summary>Whether the repository is reached by SSH.</summary>
    public bool IsSsh => Url.StartsWith("ssh://", StringComparison.Ordinal) || IsScp(Url);

    /// <summary>Reads an address; false if the text is not one of a Git repository. Throws <see cref="FormatException"/> for a query it does not know.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out GitAddress? address)
    {
        ArgumentNullException.ThrowIfNull(text);
        address = null;
        var hash = text.IndexOf('#', StringComparison.Ordinal);
        var url = hash < 0 ? text : text[..hash];
        var fragment = hash < 0 ? "" : text[(hash + 1)..];
        var question = url.IndexOf('?', StringComparison.Ordinal);
        var query = question < 0 ? "" : url[(question + 1)..];
        url = question < 0 ? url : url[..question];
        if (url.StartsWith("github.com/", StringComparison.Ordinal))
        {
            url = "https://" + url;
        }
        else if (!IsGit(url))
        {
            return false;
        }

        var colon = fragment.IndexOf(':', StringComparison.Ordinal);
        var found = new GitAddress
        {
            Url = url,
            Reference = NullIfEmpty(colon < 0 ? fragment : fragment[..colon]),
            Directory = colon < 0 ? "" : fragment[(colon + 1)..].Trim('/'),
        };
        foreach (var part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? part : part[..equals];
            var value = equals < 0 ? "" : Uri.UnescapeDataString(part[(equals + 1)..]);
            found = name switch
            {
                "ref" => found with { Reference = value },
                "branch" => found with { Reference = "refs/heads/" + value },
                "tag" => found with { Reference = "refs/tags/" + value },
                "commit" or "checksum" => found with { Checksum = value, Reference = found.Reference ?? value },
                "subdir" => found with { Directory = value.Trim('/') },
                "keep-git-dir" => found with { KeepGitDirectory = value is "" or "1" or "true" },
                "mtime" => value is "checkout" or "commit" ? found with { CommitTimes = value == "commit" } : throw new FormatException($"invalid mtime \"{value}\": checkout or commit"),
                "fetch-by-commit" => found,
                "submodules" => found with { Submodules = value is not ("0" or "false") },
                _ => throw new FormatException($"unexpected query \"{name}\" in the Git address {text}"),
            };
        }

        address = found;
        return true;
    }

    public override string ToString() => Reference is null && Directory.Length == 0 ? Url : $"{Url}#{Reference}{(Directory.Length > 0 ? ":" + Directory : "")}";

    /// <summary>Addresses in the network only: a file's would give a Dockerfile what the daemon may read on its host.</summary>
    private static bool IsGit(string url) =>
        url.StartsWith("git://", StringComparison.Ordinal) || url.StartsWith("ssh://", StringComparison.Ordinal) || IsScp(url)
        || ((url.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || url.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            && url.EndsWith(".git", StringComparison.Ordinal));

    /// <summary><c>user@host:path</c>.</summary>
    private static bool IsScp(string url)
    {
        var at = url.IndexOf('@', StringComparison.Ordinal);
        return at > 0 && url.IndexOf(':', at) > at && !url.Contains("://", StringComparison.Ordinal) && !url[..at].Contains('/', StringComparison.Ordinal);
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
