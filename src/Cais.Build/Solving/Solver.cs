using System.Collections.Concurrent;
using Cais.Build.Cache;
using Cais.Build.Files;
using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>
/// Brings steps to results: from the cache where it can, otherwise by doing them, independent ones at the same time, equal ones once. It knows
/// nothing of Dockerfiles. One solver serves one build; solvers share the cache.
/// </summary>
/// <remarks>
/// A step is looked for under two keys. The first needs no work below it: definitions all the way down, with the checksums of what is taken from contexts
/// and the digests of images. If that is not known, the inputs are solved, and the second key is made of what they turned out to be: a base's identity
/// and the checksums of copied files. So a changed stage whose output is the same rebuilds nothing after it.
/// </remarks>
public sealed class Solver : IDisposable
{
    private readonly BuildCache _cache;
    private readonly IBuildInputs _inputs;
    private readonly StepRunner _runner;
    private readonly IBuildProgress _progress;
    private readonly IImportedResults? _imported;
    private readonly StepKeys _keys;
    private readonly ConcurrentDictionary<Digest, Lazy<Task<StepResult>>> _results = new();
    private readonly ConcurrentDictionary<(Digest Run, int Mount), StepResult> _outputs = new();
    private readonly ConcurrentDictionary<string, Lazy<Task<ContextDirectory>>> _contexts = new();
    private readonly ConcurrentBag<IDisposable> _held = [];
    private readonly ConcurrentDictionary<Digest, byte> _reported = new();

    public Solver(BuildCache cache, IBuildInputs inputs, StepRunner runner, IBuildProgress progress, IImportedResults? imported = null)
    {
        (_cache, _inputs, _runner, _progress, _imported) = (cache, inputs, runner, progress, imported);
        _keys = new StepKeys(cache, runner, ContextAsync);
    }

    /// <summary>The result of a step. It stays until the solver is disposed of. Throws <see cref="StepFailedException"/>; the first failure stops the rest.</summary>
    public async Task<StepResult> SolveAsync(Step step, CancellationToken cancellation) => (await SolveAsync([step], cancellation).ConfigureAwait(false))[0];

    /// <summary>The results of several steps, in their order: what they have in common is done once. As for one, and once in a solver's life.</summary>
    public async Task<IReadOnlyList<StepResult>> SolveAsync(IReadOnlyList<Step> steps, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(steps);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            return await Task.WhenAll(steps.Select(s => ResultAsync(s, stop))).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested && FirstFailure() is { } failure)
        {
            throw failure;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);

            // Nothing of this build goes on after it has failed.
            foreach (var running in _results.Values.Where(r => r.IsValueCreated))
            {
                await ((Task)running.Value).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>
    /// For those of the steps that have a result, here or in the cache, the key by which another machine with the same files and images finds it. Steps that
    /// must not be found by what they say (volatile ones, and what stands on them) are left out.
    /// </summary>
    public async Task<IReadOnlyList<(Digest Key, StepResult Result)>> KeysAsync(IEnumerable<Step> steps, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(steps);
        var keys = new List<(Digest, StepResult)>();
        foreach (var step in steps.Where(s => s is RunStep or CopyStep or DirectoryStep or FileStep or MergeStep))
        {
            if (await _keys.DefinitionAsync(step, cancellation).ConfigureAwait(false) is not { } key)
            {
                continue;
            }

            var result = _results.TryGetValue(step.Digest, out var solved) && solved.Value.IsCompletedSuccessfully ? solved.Value.Result : Take(key);
            if (result is not null)
            {
                _held.Add(_cache.Hold(result));
                keys.Add((key, result));
            }
        }

        return keys;
    }

    public void Dispose()
    {
        foreach (var held in _held)
        {
            held.Dispose();
        }
    }

    private StepFailedException? FirstFailure() => _results.Values
        .Where(r => r.IsValueCreated && r.Value.IsFaulted)
        .Select(r => r.Value.Exception!.InnerException).OfType<StepFailedException>().FirstOrDefault();

    private Task<StepResult> ResultAsync(Step step, CancellationTokenSource stop) =>
        _results.GetOrAdd(step.Digest, _ => new Lazy<Task<StepResult>>(() => Task.Run(() => SolveOneAsync(step, stop), stop.Token))).Value;

    private async Task<StepResult> SolveOneAsync(Step step, CancellationTokenSource stop)
    {
        var cancellation = stop.Token;
        try
        {
            switch (step)
            {
                case ScratchStep:
                    return new StepResult(step.Digest, []);
                case ImageStep image:
                    return await ImageAsync(image, cancellation).ConfigureAwait(false);
            }

            if (step.IsVolatile)
            {
                return await ExecuteVolatileAsync(step, cancellation).ConfigureAwait(false);
            }

            var definitionKey = await _keys.DefinitionAsync(step, cancellation).ConfigureAwait(false);
            if (definitionKey is { } fast && Find(step, fast) is { } known)
            {
                return Cached(step, known);
            }

            if (_imported is not null && definitionKey is { } foreign && !OutputsOf(step).Any() && await _imported.FindAsync(foreign, cancellation).ConfigureAwait(false) is { } brought)
            {
                _cache.Store(brought, foreign);
                _held.Add(_cache.Hold(brought));
                return Cached(step, brought);
            }

            await Task.WhenAll(step.Inputs.Where(i => i is not ContextStep).DistinctBy(i => i.Digest).Select(i => ResultAsync(i, stop))).ConfigureAwait(false);
            var contentKey = await _keys.ContentAsync(step, i => ResultAsync(i, stop), cancellation).ConfigureAwait(false);
            return step switch
            {
                CopyStep { IsIndependent: true } => await LinkAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false),
                DiffStep or MountOutputStep => await DeriveAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false),
                _ => await FindOrExecuteAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false),
            };
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await stop.CancelAsync().ConfigureAwait(false);
            if (e is StepFailedException)
            {
                throw;
            }

            throw new StepFailedException(step, e.Message, null, e);
        }
    }

    private StepResult Cached(Step step, StepResult result)
    {
        ReportCached(step);
        return result;
    }

    /// <summary>What a key leads to, held; for a command with all that it wrote into its mounts, or not at all.</summary>
    private StepResult? Find(Step step, Digest key)
    {
        var outputs = new List<(int Mount, StepResult Result)>();
        foreach (var mount in OutputsOf(step))
        {
            if (Take(OutputKey(key, mount)) is not { } output)
            {
                return null;
            }

            outputs.Add((mount, output));
        }

        if (Take(key) is not { } found)
        {
            return null;
        }

        outputs.ForEach(o => _outputs[(step.Digest, o.Mount)] = o.Result);
        return found;
    }

    private StepResult? Take(Digest key)
    {
        if (_cache.Take(key) is not ({ } result, { } hold))
        {
            return null;
        }

        _held.Add(hold);
        return result;
    }

    private static IEnumerable<int> OutputsOf(Step step) => step is RunStep run ? Enumerable.Range(0, run.Mounts.Count).Where(i => run.Mounts[i].HasOutput) : [];

    private static Digest OutputKey(Digest key, int mount)
    {
        using var hash = new DefinitionHash("output");
        return hash.Add(key).Add(mount).Finish();
    }

    /// <summary>What was needed to make a result that is here already counts as done too: people want to see every step of their file.</summary>
    private void ReportCached(Step step)
    {
        if (step is ContextStep or ScratchStep || !_reported.TryAdd(step.Digest, 0))
        {
            return;
        }

        foreach (var input in step.Inputs.Where(i => !_results.ContainsKey(i.Digest)))
        {
            ReportCached(input);
        }

        _progress.Started(step);
        _progress.Completed(step, wasCached: true, null);
    }

    private async Task<StepResult> ImageAsync(ImageStep image, CancellationToken cancellation)
    {
        _progress.Started(image);
        var paths = await _inputs.OpenImageAsync(image.Image, cancellation).ConfigureAwait(false);
        _progress.Completed(image, wasCached: false, null);
        return new StepResult(image.Digest, [.. paths.Select((p, i) => new LayerReference(null, i < image.Image.DiffIds.Count ? image.Image.DiffIds[i] : null, p))]);
    }

    /// <summary>A layer that depends on nothing below it, found or made, on top of whatever is below now.</summary>
    private async Task<StepResult> LinkAsync(Step step, Digest? definitionKey, Digest contentKey, CancellationTokenSource stop)
    {
        var below = await ResultAsync(step.Inputs[0], stop).ConfigureAwait(false);
        var layer = await FindOrExecuteAsync(step, null, contentKey, stop).ConfigureAwait(false);
        using var hash = new DefinitionHash("link");
        var result = new StepResult(hash.Add(below.Id).Add(layer.Id).Finish(), [.. below.Layers, .. layer.Layers]);
        _held.Add(_cache.Hold(result));
        if (definitionKey is { } key)
        {
            _cache.Store(result, key);
        }

        return result;
    }

    /// <summary>What needs no work once the inputs are there: some of another result's layers, or what a command wrote beside its main result.</summary>
    private async Task<StepResult> DeriveAsync(Step step, Digest? definitionKey, Digest contentKey, CancellationTokenSource stop)
    {
        _progress.Started(step);
        StepResult result;
        if (step is MountOutputStep output)
        {
            result = _outputs[(output.Run.Digest, output.Mount)];
        }
        else
        {
            var lower = await ResultAsync(step.Inputs[0], stop).ConfigureAwait(false);
            var upper = await ResultAsync(step.Inputs[1], stop).ConfigureAwait(false);
            if (!upper.Paths.Take(lower.Layers.Count).SequenceEqual(lower.Paths))
            {
                throw new StepFailedException(step, "a difference can be taken only of a file system and what was made from it");
            }

            result = new StepResult(contentKey, [.. upper.Layers.Skip(lower.Layers.Count)]);
        }

        _held.Add(_cache.Hold(result));
        if (definitionKey is { } key)
        {
            _cache.Store(result, key);
        }

        _progress.Completed(step, wasCached: false, null);
        return result;
    }

    /// <summary>Finds the result by content, waits for it if another build is at the same work, or does the work.</summary>
    private async Task<StepResult> FindOrExecuteAsync(Step step, Digest? definitionKey, Digest contentKey, CancellationTokenSource stop)
    {
        if (step.IgnoreCache)
        {
            return await ExecuteAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false);
        }

        while (true)
        {
            if (Find(step, contentKey) is { } same)
            {
                if (definitionKey is { } key)
                {
                    Store(step, same, key);
                }

                return Cached(step, same);
            }

            using var turn = _cache.Work.TryBegin(contentKey, out var other);
            if (turn is not null)
            {
                return await ExecuteAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false);
            }

            await other.WaitAsync(stop.Token).ConfigureAwait(false);
        }
    }

    private void Store(Step step, StepResult result, params Digest[] keys)
    {
        foreach (var mount in OutputsOf(step))
        {
            _cache.Store(_outputs[(step.Digest, mount)], [.. keys.Select(k => OutputKey(k, mount))]);
        }

        _cache.Store(result, keys);
    }

    private async Task<StepResult> ExecuteAsync(Step step, Digest? definitionKey, Digest contentKey, CancellationTokenSource stop)
    {
        _progress.Started(step);
        try
        {
            var results = new Dictionary<Digest, StepResult>();
            foreach (var input in step.Inputs.Where(i => i is not ContextStep))
            {
                results[input.Digest] = await ResultAsync(input, stop).ConfigureAwait(false);
            }

            var baseLayers = step.HasBase && step is not CopyStep { IsIndependent: true } ? results[step.Inputs[0].Digest].Layers : [];
            using var layer = _cache.Begin();
            var outputs = OutputsOf(step).ToDictionary(i => i, _ => _cache.Begin());
            try
            {
                await _runner.ExecuteAsync(step, results, ContextAsync, layer, outputs, _progress, stop.Token).ConfigureAwait(false);
                foreach (var (mount, written) in outputs)
                {
                    _outputs[(step.Digest, mount)] = Made(contentKey, results[((RunStep)step).Mounts[mount].From!.Digest].Layers, written.Commit(step.Name));
                }
            }
            finally
            {
                foreach (var output in outputs.Values)
                {
                    output.Dispose();
                }
            }

            var result = Made(contentKey, baseLayers, layer.Commit(step.Name));
            Store(step, result, definitionKey is { } key ? [contentKey, key] : [contentKey]);
            _progress.Completed(step, wasCached: false, null);
            return result;
        }
        catch (Exception e)
        {
            _progress.Completed(step, wasCached: false, e);
            throw;
        }
    }

    /// <summary>A new result. Its identity is new each time: only equal work on equal inputs is known to be equal.</summary>
    private StepResult Made(Digest contentKey, IReadOnlyList<LayerReference> below, LayerReference layer)
    {
        using var hash = new DefinitionHash("result");
        var result = new StepResult(hash.Add(contentKey).Add(layer.Id).Finish(), [.. below, layer]);
        _held.Add(_cache.Hold(result));
        return result;
    }

    /// <summary>
    /// Does the step, and takes what an earlier build made if it turns out to be the same. A file that a server says to be the same is not fetched again.
    /// </summary>
    private async Task<StepResult> ExecuteVolatileAsync(Step step, CancellationToken cancellation)
    {
        _progress.Started(step);
        try
        {
            var before = step is HttpStep && !step.IgnoreCache ? _cache.Fetched.Find(step.Digest) : null;
            var kept = before is null ? null : Take(before.Key);
            using var fetch = step is HttpStep http ? await _runner.FetchAsync(http, kept is null ? null : before, cancellation).ConfigureAwait(false) : null;
            if (kept is not null && fetch is { IsUnchanged: true })
            {
                _progress.Completed(step, wasCached: true, null);
                return kept;
            }

            using var layer = _cache.Begin();
            if (fetch is not null)
            {
                await fetch.WriteAsync(layer.UpperDirectory, cancellation).ConfigureAwait(false);
            }
            else
            {
                await _runner.ExecuteAsync(step, new Dictionary<Digest, StepResult>(), ContextAsync, layer, new Dictionary<int, NewLayer>(), _progress, cancellation).ConfigureAwait(false);
            }

            Digest key;
            using (var root = RootDirectory.Open(layer.UpperDirectory))
            using (var hash = new DefinitionHash("volatile"))
            {
                hash.Add(step.Digest).Add(new ContentChecksum(StepKeys.Selection(root, IgnoreFile.Empty, step), ignoreOwners: false, cancellation).Of(["/"], parents: false));
                key = hash.Finish();
            }

            var found = step.IgnoreCache ? null : Take(key);
            var result = found ?? new StepResult(key, [layer.Commit(step.Name)]);
            if (found is null)
            {
                _held.Add(_cache.Hold(result));
                _cache.Store(result, key);
            }

            if (fetch?.Describe(key) is { } described)
            {
                _cache.Fetched.Store(step.Digest, described);
            }

            _progress.Completed(step, wasCached: found is not null, null);
            return result;
        }
        catch (Exception e)
        {
            _progress.Completed(step, wasCached: false, e);
            throw;
        }
    }

    private Task<ContextDirectory> ContextAsync(ContextStep context) =>
        _contexts.GetOrAdd(context.Context, name => new Lazy<Task<ContextDirectory>>(() => _inputs.OpenContextAsync(name, CancellationToken.None))).Value;
}
