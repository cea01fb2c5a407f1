using Cais.Build.Sources;
using Cais.Images.Building;

namespace Cais.Engine.Builds;

/// <summary>Contexts that are an address: a Git repository, an archive or a single Dockerfile behind a URL.</summary>
public sealed class RemoteContext
{
    private const int LargestDockerfile = 2 << 20;
    private readonly ContextFolders _folders;
    private readonly GitRepositories _git;
    private readonly Lazy<HttpClient> _http;

    internal RemoteContext(ContextFolders folders, GitRepositories git, Lazy<HttpClient> http) => (_folders, _git, _http) = (folders, git, http);

    /// <summary>Whether a context is an address rather than a path.</summary>
    public static bool IsRemote(string context) => GitAddress.TryParse(context, out _)
        || context.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || context.StartsWith("https://", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether the build arguments ask for the directory <c>.git</c> of contexts that are repositories.</summary>
    public static bool KeepsGitDirectory(IReadOnlyDictionary<string, string>? arguments) =>
        arguments?.GetValueOrDefault("BUILDKIT_CONTEXT_KEEP_GIT_DIR") is "1" or "t" or "T" or "true" or "TRUE" or "True";

    /// <summary>
    /// Fetches it, with the client's secrets and agent if it needs them. A document that is no archive becomes a context of one file called <paramref name="dockerfile"/>. Throws <see cref="EngineException"/> or an
    /// <see cref="IOException"/> that says why it could not be had.
    /// </summary>
    public async Task<ContextFolder> FetchAsync(string address, string dockerfile, bool keepGitDirectory, IBuildClient? client, CancellationToken cancellation)
    {
        if (GitAddress.TryParse(address, out var git))
        {
            var checkout = _folders.Make();
            try
            {
                var access = client is null ? GitAccess.None : await GitAccess.FindAsync(
                    git, id => client.FindSecretAsync(id, cancellation), id => client.FindAgentAsync(id, cancellation)).ConfigureAwait(false);
                await _git.CheckOutAsync(git, access, checkout.Path, keepGitDirectory || git.KeepGitDirectory, cancellation).ConfigureAwait(false);
                return checkout;
            }
            catch
            {
                checkout.Dispose();
                throw;
            }
        }

        if (!Uri.TryCreate(address, UriKind.Absolute, out var url))
        {
            throw EngineException.InvalidParameter($"unable to prepare context: invalid URL {address}");
        }

        using var response = await _http.Value.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw EngineException.InvalidParameter($"error downloading remote context {address}: unexpected status {(int)response.StatusCode}");
        }

        var folder = _folders.Make();
        try
        {
            var path = Path.Combine(folder.Path, "download");
            await using (var file = File.Create(path))
            {
                await response.Content.CopyToAsync(file, cancellation).ConfigureAwait(false);
            }

            using var content = File.OpenRead(path);
            if (ArchiveExtractor.IsArchive(content))
            {
                content.Position = 0;
                var unpacked = await _folders.UnpackAsync(content, cancellation).ConfigureAwait(false);
                folder.Dispose();
                return unpacked;
            }

            if (content.Length > LargestDockerfile)
            {
                throw EngineException.InvalidParameter($"remote context {address} is neither an archive nor a Dockerfile");
            }

            File.Move(path, Path.Combine(folder.Path, dockerfile));
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }
}
