using Cais.Build.Cache;
using Cais.Build.Files;
using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Build.Sources;
using Cais.Images.Building;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>Does the work of one step into a new layer.</summary>
public sealed class StepRunner(BuildCache cache, IBuildInputs inputs, IRunExecutor executor, HttpClient http)
{
    private readonly HttpFetcher _fetcher = new(http, inputs);
    private readonly string _empty = Directory.CreateDirectory(Path.Combine(cache.Root, "empty")).FullName;

    internal async Task ExecuteAsync(
        Step step,
        IReadOnlyDictionary<Digest, StepResult> results,
        Func<ContextStep, Task<ContextDirectory>> contexts,
        NewLayer layer,
        IReadOnlyDictionary<int, NewLayer> outputs,
        IBuildProgress progress,
        CancellationToken cancellation)
    {
        if (step.HasBase && step is not CopyStep { IsIndependent: true })
        {
            CopyRootTime(results[step.Inputs[0].Digest], layer);
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
                using (var answer = await FetchAsync(fetch, null, cancellation).ConfigureAwait(false))
                {
                    await answer.WriteAsync(layer.UpperDirectory, cancellation).ConfigureAwait(false);
                }

                break;
            case GitStep git:
                var access = await GitAccess.FindAsync(
                    git.Address, id => inputs.FindSecretAsync(id, cancellation), id => inputs.FindAgentAsync(id, cancellation)).ConfigureAwait(false);
                await cache.Git.CheckOutAsync(git.Address, access, layer.UpperDirectory, git.KeepGitDirectory, cancellation).ConfigureAwait(false);
                break;
            case RunStep run:
                await RunAsync(run, results, contexts, layer, outputs, progress, cancellation).ConfigureAwait(false);
                break;
            case FileStep files:
                using (var root = OpenForWriting(results[files.Inputs[0].Digest], layer))
                {
                    var changer = new FileChanger(root, cancellation);
                    foreach (var change in files.Changes)
                    {
                        changer.Apply(change);
                    }
                }

                break;
            case MergeStep merge:
                Merge(merge, results, layer, cancellation);
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

    /// <summary>Overlay shows the upper directory's time as the root's: it is that of the layer below until something is changed in it.</summary>
    private static void CopyRootTime(StepResult below, NewLayer layer)
    {
        if (below.Layers is [.., var top])
        {
            var upper = RootDirectory.Bytes(layer.UpperDirectory);
            if (FileAt.Status(FileAt.CurrentDirectory, RootDirectory.Bytes(top.Path + "/."), out var status) == 0)
            {
                FileAt.SetTimes(FileAt.CurrentDirectory, upper, status.Modified, status.Modified);
            }
        }
    }

    /// <summary>Does again on the first input what the layers of the others did to what they were made on.</summary>
    private void Merge(MergeStep step, IReadOnlyDictionary<Digest, StepResult> results, NewLayer layer, CancellationToken cancellation)
    {
        using var target = OpenForWriting(results[step.Inputs[0].Digest], layer);
        foreach (var input in step.Inputs.Skip(1))
        {
            var below = new List<RootDirectory>();
            try
            {
                foreach (var path in results[input.Digest].Paths)
                {
                    var source = RootDirectory.Open(path);
                    new FileCopier(
                        new SourceSelection(source, IgnoreFile.Empty, IgnoreFile.Empty), target, new CopyLook(null, null, null), cancellation, new LayerMarks([.. below]))
                        .Copy("", "/");
                    below.Add(source);
                }
            }
            finally
            {
                below.ForEach(b => b.Dispose());
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
        var look = new CopyLook(owner ?? (step.KeepsOwner ? null : (0, 0)), step.Mode is { } mode ? ModeChange.Parse(mode) : null, step.LatestTime)
        {
            IsTimeExact = step.IsTimeExact,
            FollowsLinks = step.FollowsLinks,
            KeepsDirectory = step.KeepsDirectory,
            ReplacesOtherKinds = step.ReplacesOtherKinds,
        };
        if (!step.MakesDestination && target.Status(step.Destination[..(step.Destination.TrimEnd('/').LastIndexOf('/') + 1)]) is null)
        {
            throw new IOException($"{step.Destination} cannot be made: the directory above it is missing");
        }

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
                var matches = selection.Match(source.Path, step.KeepsParents);
                if (step.DemandsMatch && matches.Count == 0)
                {
                    throw new SourceNotFoundException($"{source.Path} not found");
                }

                foreach (var required in step.Required)
                {
                    if (!matches.Any(m => selection.Takes(m, required)))
                    {
                        throw new SourceNotFoundException($"\"{required}\": not found");
                    }
                }

                foreach (var match in matches)
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

    /// <summary>Asks for a file, see <see cref="HttpFetcher.BeginAsync"/>.</summary>
    internal Task<Fetch> FetchAsync(HttpStep step, FetchedFile? before, CancellationToken cancellation) => _fetcher.BeginAsync(step, before, cancellation);

    private async Task RunAsync(
        RunStep step,
        IReadOnlyDictionary<Digest, StepResult> results,
        Func<ContextStep, Task<ContextDirectory>> contexts,
        NewLayer layer,
        IReadOnlyDictionary<int, NewLayer> outputs,
        IBuildProgress progress,
        CancellationToken cancellation)
    {
        using var resolver = new MountResolver(this, inputs, cache.Mounts, results, contexts, Path.Combine(Path.GetDirectoryName(layer.UpperDirectory)!, "mounts"));
        foreach (var (mount, output) in outputs)
        {
            CopyRootTime(results[step.Mounts[mount].From!.Digest], output);
        }

        for (var i = 0; i < step.Mounts.Count; i++)
        {
            await resolver.AddAsync(step.Mounts[i], outputs.GetValueOrDefault(i), cancellation).ConfigureAwait(false);
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
        if (step.ExpectedExitCodes.Count == 0 ? exitCode != 0 : !step.ExpectedExitCodes.Contains(exitCode))
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
