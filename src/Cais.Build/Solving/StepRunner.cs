using Cais.Build.Cache;
using Cais.Build.Files;
using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Images.Building;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>Does the work of one step into a new layer.</summary>
public sealed class StepRunner(BuildCache cache, IBuildInputs inputs, IRunExecutor executor, HttpClient http)
{
    private readonly string _empty = Directory.CreateDirectory(Path.Combine(cache.Root, "empty")).FullName;

    internal async Task ExecuteAsync(
        Step step,
        IReadOnlyDictionary<Digest, StepResult> results,
        Func<ContextStep, Task<ContextDirectory>> contexts,
        NewLayer layer,
        IBuildProgress progress,
        CancellationToken cancellation)
    {
        if (step is not CopyStep { IsIndependent: true })
        {
            CopyRootLook(step, results, layer);
        }

        switch (step)
        {
            case CopyStep copy:
                await CopyAsync(copy, results, contexts, layer, cancellation).ConfigureAwait(false);
                break;
            case DirectoryStep directory:
                MakeDirectory(directory, results[directory.Inputs[0].Digest], layer);
                break;
            case HttpStep fetch:
                await FetchAsync(fetch, layer, cancellation).ConfigureAwait(false);
                break;
            case GitStep git:
                await cache.Git.CheckOutAsync(git.Address, layer.UpperDirectory, git.KeepGitDirectory, cancellation).ConfigureAwait(false);
                break;
            case RunStep run:
                await RunAsync(run, results, contexts, layer, progress, cancellation).ConfigureAwait(false);
                break;
            default:
                throw new InvalidOperationException($"{step.GetType().Name} is no step that makes a layer");
        }
    }

    /// <summary>A result's directories, bottom first, at least one.</summary>
    internal IReadOnlyList<string> LayersOf(StepResult result)
    {
        // Overlay refuses a directory twice; the topmost occurrence is the one that counts.
        var seen = new HashSet<string>();
        var paths = result.Paths.Reverse().Where(seen.Add).Reverse().ToList();
        return paths.Count > 0 ? paths : [_empty];
    }

    /// <summary>Overlay shows the upper directory's owner and mode as the root's: they must be those of the layer below.</summary>
    private static void CopyRootLook(Step step, IReadOnlyDictionary<Digest, StepResult> results, NewLayer layer)
    {
        if (step.HasBase && results[step.Inputs[0].Digest].Layers is [.., var top])
        {
            var upper = RootDirectory.Bytes(layer.UpperDirectory);
            if (FileAt.Status(FileAt.CurrentDirectory, RootDirectory.Bytes(top.Path + "/."), out var status) == 0)
            {
                FileAt.ChangeOwner(FileAt.CurrentDirectory, upper, status.Uid, status.Gid);
                FileAt.ChangeMode(FileAt.CurrentDirectory, upper, status.Permissions);
                FileAt.SetTimes(FileAt.CurrentDirectory, upper, status.Modified, status.Modified);
            }
        }
    }

    private RootDirectory OpenForWriting(StepResult below, NewLayer layer) =>
        RootDirectory.OpenLayers(LayersOf(below), layer.UpperDirectory, layer.WorkDirectory);

    private void MakeDirectory(DirectoryStep step, StepResult below, NewLayer layer)
    {
        using var root = OpenForWriting(below, layer);
        if (root.Status(step.Path)?.Kind == FileKind.Directory)
        {
            return;
        }

        var (uid, gid) = UserLookup.Resolve(root, step.Owner);
        using var made = root.OpenOrMakeDirectory(step.Path, d => FileAt.ChangeOwner(d.Number, uid, gid));
    }

    private async Task CopyAsync(
        CopyStep step, IReadOnlyDictionary<Digest, StepResult> results, Func<ContextStep, Task<ContextDirectory>> contexts, NewLayer layer, CancellationToken cancellation)
    {
        // Written directly, an independent layer's directories add to those below; through an overlay they would come out as hiding them.
        using var target = step.IsIndependent ? RootDirectory.Open(layer.UpperDirectory) : OpenForWriting(results[step.Inputs[0].Digest], layer);
        var owner = step.Owner is { } text ? UserLookup.Resolve(target, text) : ((uint, uint)?)null;
        var look = new CopyLook(owner ?? (0, 0), step.Mode is { } mode ? ModeChange.Parse(mode) : null, step.LatestTime);
        foreach (var source in step.Sources)
        {
            if (source.Root is null)
            {
                using var none = RootDirectory.Open(_empty);
                new FileCopier(new SourceSelection(none, IgnoreFile.Empty, IgnoreFile.Empty), target, look, cancellation)
                    .Write(source.Path, System.Text.Encoding.UTF8.GetBytes(source.Content!), step.Destination);
                continue;
            }

            var (root, ignore) = await OpenSourceAsync(source.Root, results, contexts).ConfigureAwait(false);
            using (root)
            {
                var selection = new SourceSelection(root, ignore, IgnoreFile.FromPatterns(step.Exclude));
                var copier = new FileCopier(selection, target, look, cancellation);
                foreach (var match in selection.Match(source.Path, step.KeepsParents))
                {
                    await CopyMatchAsync(step, source, root, copier, target, match, owner, cancellation).ConfigureAwait(false);
                }
            }
        }
    }

    private static async Task CopyMatchAsync(
        CopyStep step, CopySource source, RootDirectory root, FileCopier copier, RootDirectory target, string match, (uint, uint)? owner, CancellationToken cancellation)
    {
        var unpacks = step.Unpack == UnpackMode.Always || (step.Unpack == UnpackMode.Archives && source.Root is not HttpStep);
        if (unpacks && root.Status(match)?.Kind == FileKind.Regular && IsArchive(root, match))
        {
            using (target.OpenOrMakeDirectory(step.Destination, copier.Made))
            {
            }

            using var archive = OpenStream(root, match);
            await ArchiveExtractor.ExtractAsync(archive, target.Descriptor, step.Destination, owner, cancellation).ConfigureAwait(false);
            return;
        }

        var to = step.Destination;
        if (step.KeepsParents)
        {
            to = ParentsTarget(step.Destination, source.Path, match, root.Status(match)?.Kind == FileKind.Directory);
        }

        copier.Copy(match, to);
    }

    /// <summary>Where a file goes that keeps its directories: below the destination, from the mark <c>/./</c> in the source on.</summary>
    private static string ParentsTarget(string destination, string written, string match, bool isDirectory)
    {
        var mark = written.IndexOf("/./", StringComparison.Ordinal);
        var pivot = mark < 0 ? "" : GoPath.Rooted(written[..mark])[1..];
        var kept = pivot.Length > 0 && match.StartsWith(pivot + "/", StringComparison.Ordinal) ? match[(pivot.Length + 1)..] : match;
        var directory = isDirectory ? kept : kept.Contains('/', StringComparison.Ordinal) ? kept[..kept.LastIndexOf('/')] : "";
        return GoPath.Join(destination, directory).TrimEnd('/') + "/";
    }

    private async Task<(RootDirectory Root, IgnoreFile Ignore)> OpenSourceAsync(
        Step source, IReadOnlyDictionary<Digest, StepResult> results, Func<ContextStep, Task<ContextDirectory>> contexts)
    {
        if (source is ContextStep step)
        {
            var context = await contexts(step).ConfigureAwait(false);
            return (RootDirectory.Open(context.Path), context.Ignore);
        }

        return (RootDirectory.OpenLayers(LayersOf(results[source.Digest])), IgnoreFile.Empty);
    }

    private static bool IsArchive(RootDirectory root, string path)
    {
        using var file = OpenStream(root, path);
        return ArchiveExtractor.IsArchive(file);
    }

    private static FileStream OpenStream(RootDirectory root, string path)
    {
        using var file = root.Find(path, FileAt.ReadOnly | FileAt.NonBlocking) ?? throw new SourceNotFoundException($"\"/{path}\": not found");
        return new FileStream(file.ProcPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
    }

    private async Task FetchAsync(HttpStep step, NewLayer layer, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, step.Url);
        if (await inputs.FindSecretAsync("HTTP_AUTH_HEADER_" + step.Url.Host, cancellation).ConfigureAwait(false) is { } header)
        {
            request.Headers.TryAddWithoutValidation("Authorization", System.Text.Encoding.UTF8.GetString(header.Span).Trim());
        }
        else if (await inputs.FindSecretAsync("HTTP_AUTH_TOKEN_" + step.Url.Host, cancellation).ConfigureAwait(false) is { } token)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + System.Text.Encoding.UTF8.GetString(token.Span).Trim());
        }

        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw new IOException($"invalid response status {(int)response.StatusCode} for {step.Url}");
        }

        var path = Path.Combine(layer.UpperDirectory, step.FileName);
        using (var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
            var body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            var buffer = new byte[128 * 1024];
            for (int n; (n = await body.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
            {
                hash.AppendData(buffer, 0, n);
                await file.WriteAsync(buffer.AsMemory(0, n), cancellation).ConfigureAwait(false);
            }

            var digest = Digest.FromSha256(hash.GetHashAndReset());
            if (step.Checksum is { } expected && expected != digest)
            {
                throw new IOException($"digest mismatch for {step.Url}: it is {digest}, and {expected} was expected");
            }
        }

        var modified = response.Content.Headers.LastModified?.UtcDateTime ?? DateTime.UnixEpoch;
        File.SetLastWriteTimeUtc(path, modified);
    }

    private async Task RunAsync(
        RunStep step,
        IReadOnlyDictionary<Digest, StepResult> results,
        Func<ContextStep, Task<ContextDirectory>> contexts,
        NewLayer layer,
        IBuildProgress progress,
        CancellationToken cancellation)
    {
        using var resolver = new MountResolver(this, inputs, cache.Mounts, results, contexts, Path.Combine(Path.GetDirectoryName(layer.UpperDirectory)!, "mounts"));
        foreach (var mount in step.Mounts)
        {
            await resolver.AddAsync(mount, cancellation).ConfigureAwait(false);
        }

        foreach (var script in step.Scripts)
        {
            resolver.Requests.Add(new FileMount(script.Path, System.Text.Encoding.UTF8.GetBytes(script.Content), 0x1ED, 0, 0));
        }

        var request = new RunRequest
        {
            Id = "build-" + layer.Id,
            LowerDirectories = [.. LayersOf(results[step.Inputs[0].Digest]).Reverse()],
            UpperDirectory = layer.UpperDirectory,
            WorkDirectory = layer.WorkDirectory,
            Arguments = step.Arguments,
            Environment = [.. step.UncachedEnvironment, .. step.Environment, .. resolver.Variables],
            WorkingDirectory = step.WorkingDirectory,
            User = step.User,
            Network = step.Network,
            IsInsecure = step.IsInsecure,
            Mounts = resolver.Requests,
            Surroundings = step.Surroundings,
        };
        var exitCode = await executor.RunAsync(request, new StepOutput(step, progress), cancellation).ConfigureAwait(false);
        if (exitCode != 0)
        {
            throw new StepFailedException(
                step, $"process \"{string.Join(' ', step.Arguments)}\" did not complete successfully: exit code: {exitCode}", exitCode);
        }
    }

    private sealed class StepOutput(Step step, IBuildProgress progress) : IRunOutput
    {
        public void Write(bool isError, ReadOnlySpan<byte> data) => progress.Output(step, isError, data);
    }
}
