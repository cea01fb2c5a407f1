using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Cais.Linux.FileSystem;

namespace Cais.Build.Sources;

/// <summary>
/// Git repositories that builds read, by the git program: what was fetched once is kept in bare repositories below a directory, so that the next build
/// fetches only what is new.
/// </summary>
public sealed class GitRepositories(string root)
{
    private static readonly Dictionary<string, string> Local = [];

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SemaphoreSlim> _locks = [];

    /// <summary>
    /// Puts the files of an address's reference into a directory, which must be empty, and gives the commit. Throws <see cref="IOException"/> with what git said,
    /// or if there is no git.
    /// </summary>
    public async Task<string> CheckOutAsync(GitAddress address, GitAccess access, string directory, bool keepGitDirectory, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(access);
        var repository = Path.Combine(root, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address.Url))));
        var turn = LockOf(repository);
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (!File.Exists(Path.Combine(repository, "HEAD")))
            {
                Directory.CreateDirectory(repository);
                await RunAsync(repository, Local, cancellation, "init", "--bare", "--quiet", ".").ConfigureAwait(false);
            }

            var remote = Remote(address, access);
            var commit = await FetchAsync(repository, address, remote, cancellation).ConfigureAwait(false);
            if (address.Checksum is { } expected && !commit.StartsWith(expected, StringComparison.OrdinalIgnoreCase))
            {
                throw new IOException($"expected checksum to match {expected}, got {commit}");
            }

            await PlaceAsync(repository, address, remote, commit, directory, keepGitDirectory, cancellation).ConfigureAwait(false);
            return commit;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>The variables by which git reaches a server. Arguments would show them to everybody on this machine.</summary>
    private Dictionary<string, string> Remote(GitAddress address, GitAccess access)
    {
        var environment = new Dictionary<string, string>();
        if (access.Authorization is { } authorization)
        {
            // Submodules have other addresses: with these hosts they may be opened by the same token, as in BuildKit.
            var scope = Uri.TryCreate(address.Url, UriKind.Absolute, out var url) && url.Host is "github.com" or "gitlab.com" ? url!.GetLeftPart(UriPartial.Authority) + "/" : address.Url;
            environment["GIT_CONFIG_COUNT"] = "3";
            environment["GIT_CONFIG_KEY_2"] = $"http.{scope}.extraheader";
            environment["GIT_CONFIG_VALUE_2"] = "Authorization: " + authorization.ReplaceLineEndings("");
        }

        if (address.IsSsh)
        {
            var knownHosts = Path.Combine(root, "known_hosts");
            if (address.KnownHosts is { } keys)
            {
                knownHosts += "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(keys)))[..16];
                File.WriteAllText(knownHosts, keys);
            }

            // Neither the keys nor the settings of the daemon's user: those are not the Dockerfile's.
            environment["GIT_SSH_COMMAND"] = $"ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none -o StrictHostKeyChecking={(address.KnownHosts is null ? "accept-new" : "yes")}"
                + $" -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile='{knownHosts}'";
            if (access.AgentSocket is { } socket)
            {
                environment["SSH_AUTH_SOCK"] = socket;
            }
        }

        return environment;
    }

    private SemaphoreSlim LockOf(string repository)
    {
        lock (_gate)
        {
            return _locks.TryGetValue(repository, out var turn) ? turn : _locks[repository] = new SemaphoreSlim(1);
        }
    }

    private static async Task<string> FetchAsync(string repository, GitAddress address, IReadOnlyDictionary<string, string> remote, CancellationToken cancellation)
    {
        var reference = address.Reference ?? "HEAD";
        if (reference.StartsWith('-'))
        {
            throw new IOException($"\"{reference}\" is no Git reference");
        }

        try
        {
            await RunAsync(repository, remote, cancellation, "fetch", "--quiet", "--force", "--no-tags", "--depth", "1", "--", address.Url, reference).ConfigureAwait(false);
        }
        catch (IOException e) when (e.Message.Contains("shallow", StringComparison.Ordinal))
        {
            // A server of plain files cannot give a part.
            await RunAsync(repository, remote, cancellation, "fetch", "--quiet", "--force", "--no-tags", "--", address.Url, reference).ConfigureAwait(false);
        }
        catch (IOException) when (reference.Length is >= 7 and <= 64 && reference.All(char.IsAsciiHexDigit))
        {
            // Servers give single commits only if they are set up to: then all of it is fetched.
            await RunAsync(repository, remote, cancellation, "fetch", "--quiet", "--force", "--", address.Url, "+refs/*:refs/remote/*").ConfigureAwait(false);
            return (await RunAsync(repository, Local, cancellation, "rev-parse", "--verify", reference + "^{commit}").ConfigureAwait(false)).Trim();
        }

        return (await RunAsync(repository, Local, cancellation, "rev-parse", "--verify", "FETCH_HEAD^{commit}").ConfigureAwait(false)).Trim();
    }

    private static async Task PlaceAsync(
        string repository, GitAddress address, IReadOnlyDictionary<string, string> remote, string commit, string directory, bool keepGitDirectory, CancellationToken cancellation)
    {
        var checkout = address.Directory.Length == 0 ? directory : directory + ".checkout";
        Directory.CreateDirectory(checkout);
        try
        {
            await RunAsync(checkout, Local, cancellation, "init", "--quiet", ".").ConfigureAwait(false);
            await RunAsync(checkout, Local, cancellation, "fetch", "--quiet", "--depth", "1", "--", repository, commit).ConfigureAwait(false);
            await RunAsync(checkout, Local, cancellation, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--force", commit).ConfigureAwait(false);
            if (address.Submodules && File.Exists(Path.Combine(checkout, ".gitmodules")))
            {
                await RunAsync(checkout, Local, cancellation, "remote", "add", "origin", address.Url).ConfigureAwait(false);
                await RunAsync(checkout, remote, cancellation, "submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1").ConfigureAwait(false);
            }

            if (address.CommitTimes && long.TryParse((await RunAsync(checkout, Local, cancellation, "show", "-s", "--format=%ct", commit).ConfigureAwait(false)).Trim(), out var seconds))
            {
                var time = DateTimeOffset.FromUnixTimeSeconds(seconds).UtcDateTime;
                foreach (var path in Directory.EnumerateFiles(checkout, "*", SearchOption.AllDirectories).Where(f => new FileInfo(f).LinkTarget is null))
                {
                    File.SetLastWriteTimeUtc(path, time);
                }
            }

            if (!keepGitDirectory)
            {
                Trees.Remove(Path.Combine(checkout, ".git"));
            }

            if (checkout != directory)
            {
                using var root = Files.RootDirectory.Open(checkout);
                using var found = root.Find(address.Directory, FileAt.PathOnly | FileAt.DirectoryOnly)
                    ?? throw new IOException($"directory \"{address.Directory}\" does not exist in {address.Url}");
                Directory.Delete(directory);
                Directory.Move(new FileInfo(found.ProcPath).LinkTarget!, directory);
            }
        }
        finally
        {
            if (checkout != directory)
            {
                Trees.Remove(checkout);
            }
        }
    }

    private static async Task<string> RunAsync(
        string directory, IReadOnlyDictionary<string, string> environment, CancellationToken cancellation, params string[] arguments)
    {
        var start = new ProcessStartInfo("git", arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // Never a question that nobody would answer, and nothing of the daemon's user's configuration.
        start.Environment["GIT_TERMINAL_PROMPT"] = "0";
        start.Environment["GIT_CONFIG_NOSYSTEM"] = "1";
        start.Environment["HOME"] = "/dev/null";
        start.Environment["GIT_CONFIG_COUNT"] = "2";
        start.Environment["GIT_CONFIG_KEY_0"] = "safe.directory";
        start.Environment["GIT_CONFIG_VALUE_0"] = "*";
        start.Environment["GIT_CONFIG_KEY_1"] = "protocol.ext.allow";
        start.Environment["GIT_CONFIG_VALUE_1"] = "never";
        start.Environment.Remove("SSH_AUTH_SOCK");
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        Process? git;
        try
        {
            git = Process.Start(start);
        }
        catch (Win32Exception e)
        {
            throw new IOException("Git repositories need the git program, which is not installed here", e);
        }

        using (git)
        {
            try
            {
                git!.StandardInput.Close();
                var output = git.StandardOutput.ReadToEndAsync(cancellation);
                var error = git.StandardError.ReadToEndAsync(cancellation);
                await git.WaitForExitAsync(cancellation).ConfigureAwait(false);
                return git.ExitCode == 0
                    ? await output.ConfigureAwait(false)
                    : throw new IOException($"git {arguments.FirstOrDefault(a => !a.StartsWith('-'))} failed: {(await error.ConfigureAwait(false)).Trim()}");
            }
            catch (OperationCanceledException)
            {
                git!.Kill(entireProcessTree: true);
                throw;
            }
        }
    }
}
