using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Oci.Images;

namespace Cais.Build.Planning;

/// <summary>ADD's sources that are no paths: URLs. Git repositories are recognised, and refused with a reason.</summary>
internal static class RemoteSource
{
    public static CopySource? TryRead(string text, string destination, CopyInstruction add, SourceRange range)
    {
        if (text.StartsWith("git@", StringComparison.Ordinal) || text.StartsWith("git://", StringComparison.Ordinal) || text.StartsWith("ssh://", StringComparison.Ordinal)
            || (IsHttp(text) && text.Split('#', '?')[0].EndsWith(".git", StringComparison.Ordinal)))
        {
            throw new DockerfileException($"ADD of the Git repository {text} is not supported: clone it in a RUN step", range);
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
