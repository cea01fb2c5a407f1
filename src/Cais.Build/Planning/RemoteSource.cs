using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Build.Sources;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>ADD's sources that are no paths: URLs and Git repositories.</summary>
internal static class RemoteSource
{
    public static CopySource? TryRead(string text, string destination, CopyInstruction add, SourceRange range)
    {
        GitAddress? git;
        try
        {
            _ = GitAddress.TryParse(text, out git);
        }
        catch (FormatException e)
        {
            throw new DockerfileException(e.Message, range, null, e);
        }

        if (git is not null)
        {
            git = add.Checksum is { } commit ? git with { Checksum = commit.Value } : git;
            return new CopySource(new GitStep(git, (add.KeepGitDirectory ?? false) || git.KeepGitDirectory, text) { Range = range }, "/");
        }

        if (!IsHttp(text))
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var url))
        {
            throw new DockerfileException($"invalid URL {text}", range);
        }

        var name = GoPath.Base(destination.EndsWith('/') ? Uri.UnescapeDataString(url.AbsolutePath) : destination);
        if (name is "/" or "." or ".." || name.Contains('/', StringComparison.Ordinal))
        {
            throw new DockerfileException($"cannot determine filename for source {text}: name the file in the destination", range);
        }

        Digest? checksum = null;
        if (add.Checksum is { } given)
        {
            checksum = Digest.TryParse(given.Value, out var parsed) ? parsed : throw new DockerfileException($"invalid checksum \"{given}\": expected sha256:<64 hexadecimal digits>", given.Range);
        }

        return new CopySource(new HttpStep(url, name, checksum, $"{url}") { Range = range }, "/" + name);
    }

    private static bool IsHttp(string text) =>
        text.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("https://", StringComparison.OrdinalIgnoreCase);
}
