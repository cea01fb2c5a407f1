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
public sealed class Solver(BuildCache cache, IBuildInputs inputs, StepRunner runner, IBuildProgress progress, IImportedResults? imported = null) : IDisposable
{
    private readonly ConcurrentDictionary<Digest, Lazy<Task<StepResult>>> _results = new();
    private readonly ConcurrentDictionary<Digest, Lazy<Task<Digest?>>> _definitionKeys = new();
    private readonly ConcurrentDictionary<string, Lazy<Task<ContextDirectory>>> _contexts = new();
    private readonly ConcurrentBag<IDisposable> _held = [];
    private readonly ConcurrentDictionary<Digest, byte> _reported = new();

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
        foreach (var step in steps.Where(s => s is RunStep or CopyStep or DirectoryStep))
        {
            if (await DefinitionKeyAsync(step, cancellation).ConfigureAwait(false) is not { } key)
            {
                continue;
            }

            var result = _results.TryGetValue(step.Digest, out var solved) && solved.Value.IsCompletedSuccessfully ? solved.Value.Result : cache.Find(key);
            if (result is not null)
            {
                _held.Add(cache.Hold(result));
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

            var definitionKey = await DefinitionKeyAsync(step, cancellation).ConfigureAwait(false);
            if (definitionKey is { } fast && cache.Find(fast) is { } known)
            {
                return Cached(step, known);
            }

            if (imported is not null && definitionKey is { } foreign && await imported.FindAsync(foreign, cancellation).ConfigureAwait(false) is { } brought)
            {
                cache.Store(foreign, brought);
                return Cached(step, brought);
            }

            await Task.WhenAll(step.Inputs.Where(i => i is not ContextStep).DistinctBy(i => i.Digest).Select(i => ResultAsync(i, stop))).ConfigureAwait(false);
            var contentKey = await ContentKeyAsync(step, stop).ConfigureAwait(false);
            if (step is CopyStep { IsIndependent: true })
            {
                return await LinkAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false);
            }

            if (!step.IgnoreCache && cache.Find(contentKey) is { } same)
            {
                if (definitionKey is { } key)
                {
                    cache.Store(key, same);
                }

                return Cached(step, same);
            }

            return await ExecuteAsync(step, definitionKey, contentKey, stop).ConfigureAwait(false);
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
        _held.Add(cache.Hold(result));
        ReportCached(step);
        return result;
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

        progress.Started(step);
        progress.Completed(step, wasCached: true, null);
    }

    private async Task<StepResult> ImageAsync(ImageStep image, CancellationToken cancellation)
    {
        progress.Started(image);
        var paths = await inputs.OpenImageAsync(image.Image, cancellation).ConfigureAwait(false);
        progress.Completed(image, wasCached: false, null);
        return new StepResult(image.Digest, [.. paths.Select((p, i) => new LayerReference(null, i < image.Image.DiffIds.Count ? image.Image.DiffIds[i] : null, p))]);
    }

    /// <summary>A layer that depends on nothing below it, found or made, on top of whatever is below now.</summary>
    private async Task<StepResult> LinkAsync(Step step, Digest? definitionKey, Digest contentKey, CancellationTokenSource stop)
    {
        var below = await ResultAsync(step.Inputs[0], stop).ConfigureAwait(false);
        var found = step.IgnoreCache ? null : cache.Find(contentKey);
        var layer = found ?? await ExecuteAsync(step, null, contentKey, stop).ConfigureAwait(false);
        using var hash = new DefinitionHash("link");
        var result = new StepResult(hash.Add(below.Id).Add(layer.Id).Finish(), [.. below.Layers, .. layer.Layers]);
        _held.Add(cache.Hold(result));
        if (definitionKey is { } key)
        {
            cache.Store(key, result);
        }

        if (found is not null)
        {
            ReportCached(step);
        }

        return result;
    }

    private async Task<StepResult> ExecuteAsync(Step step, Digest? definitionKey, Digest contentKey, CancellationTokenSource stop)
    {
        progress.Started(step);
        try
        {
            var results = new Dictionary<Digest, StepResult>();
            foreach (var input in step.Inputs.Where(i => i is not ContextStep))
            {
                results[input.Digest] = await ResultAsync(input, stop).ConfigureAwait(false);
            }

            var baseLayers = step.HasBase && step is not CopyStep { IsIndependent: true } ? results[step.Inputs[0].Digest].Layers : [];
            using var layer = cache.Begin();
            await runner.ExecuteAsync(step, results, ContextAsync, layer, progress, stop.Token).ConfigureAwait(false);
            var made = layer.Commit(step.Name);

            // The identity of what was made is new each time: only equal work on equal inputs is known to be equal.
            using var hash = new DefinitionHash("result");
            var result = new StepResult(hash.Add(contentKey).Add(made.Id).Finish(), [.. baseLayers, made]);
            _held.Add(cache.Hold(result));
            cache.Store(contentKey, result);
            if (definitionKey is { } key)
            {
                cache.Store(key, result);
            }

            progress.Completed(step, wasCached: false, null);
            return result;
        }
        catch (Exception e)
        {
            progress.Completed(step, wasCached: false, e);
            throw;
        }
    }

    /// <summary>Does the step, and takes what an earlier build made if it turns out to be the same.</summary>
    private async Task<StepResult> ExecuteVolatileAsync(Step step, CancellationToken cancellation)
    {
        progress.Started(step);
        try
        {
            using var layer = cache.Begin();
            await runner.ExecuteAsync(step, new Dictionary<Digest, StepResult>(), ContextAsync, layer, progress, cancellation).ConfigureAwait(false);
            Digest key;
            using (var root = RootDirectory.Open(layer.UpperDirectory))
            using (var hash = new DefinitionHash("volatile"))
            {
                hash.Add(step.Digest).Add(new ContentChecksum(Selection(root, IgnoreFile.Empty, step), ignoreOwners: false, cancellation).Of(["/"], parents: false));
                key = hash.Finish();
            }

            var found = step.IgnoreCache ? null : cache.Find(key);
            var result = found ?? new StepResult(key, [layer.Commit(step.Name)]);
            _held.Add(cache.Hold(result));
            cache.Store(key, result);
            progress.Completed(step, wasCached: found is not null, null);
            return result;
        }
        catch (Exception e)
        {
            progress.Completed(step, wasCached: false, e);
            throw;
        }
    }

    /// <summary>Null where the definition alone cannot tell, or must not.</summary>
    private Task<Digest?> DefinitionKeyAsync(Step step, CancellationToken cancellation) =>
        _definitionKeys.GetOrAdd(step.Digest, _ => new Lazy<Task<Digest?>>(async () =>
        {
            if (step.IgnoreCache || step.IsVolatile)
            {
                return null;
            }

            using var hash = new DefinitionHash("definition");
            hash.Add(step.Digest);
            foreach (var input in step.Inputs.DistinctBy(i => i.Digest))
            {
                if (input is ContextStep context)
                {
                    hash.Add(await ContextChecksumAsync(step, context, cancellation).ConfigureAwait(false));
                }
                else if (await DefinitionKeyAsync(input, cancellation).ConfigureAwait(false) is { } below)
                {
                    hash.Add(below);
                }
                else
                {
                    return null;
                }
            }

            return hash.Finish();
        })).Value;

    private async Task<Digest> ContentKeyAsync(Step step, CancellationTokenSource stop)
    {
        using var hash = new DefinitionHash("content");
        using (var own = new DefinitionHash(step.GetType().Name))
        {
            step.Define(own);
            hash.Add(own.Finish());
        }

        for (var i = 0; i < step.Inputs.Count; i++)
        {
            var input = step.Inputs[i];
            if (input is ContextStep context)
            {
                hash.Add(await ContextChecksumAsync(step, context, stop.Token).ConfigureAwait(false));
                continue;
            }

            var result = await ResultAsync(input, stop).ConfigureAwait(false);
            if (i == 0 && step.HasBase)
            {
                if (step is CopyStep { IsIndependent: true })
                {
                    continue;
                }

                hash.Add(result.Id);
                continue;
            }

            using var root = RootDirectory.OpenLayers(runner.LayersOf(result));
            hash.Add(new ContentChecksum(Selection(root, IgnoreFile.Empty, step), ignoreOwners: false, stop.Token).Of(SourcesOf(step, input), KeepsParents(step)));
        }

        return hash.Finish();
    }

    private async Task<Digest> ContextChecksumAsync(Step step, ContextStep context, CancellationToken cancellation)
    {
        try
        {
            var directory = await ContextAsync(context).ConfigureAwait(false);
            using var root = RootDirectory.Open(directory.Path);
            Digest Compute() => new ContentChecksum(Selection(root, directory.Ignore, step), ignoreOwners: true, cancellation).Of(SourcesOf(step, context), KeepsParents(step));
            if (directory.Identity is not { } identity)
            {
                return Compute();
            }

            using var key = new DefinitionHash("context");
            key.Add(identity).Add(KeepsParents(step)).Add(step is CopyStep copy ? copy.Exclude : []).Add([.. SourcesOf(step, context)]);
            return cache.Checksums.GetOrAdd(key.Finish(), Compute);
        }
        catch (SourceNotFoundException e)
        {
            throw new StepFailedException(step, $"failed to calculate checksum of build context: {e.Message}", null, e);
        }
    }

    private Task<ContextDirectory> ContextAsync(ContextStep context) =>
        _contexts.GetOrAdd(context.Context, name => new Lazy<Task<ContextDirectory>>(() => inputs.OpenContextAsync(name, CancellationToken.None))).Value;

    private static SourceSelection Selection(RootDirectory root, IgnoreFile ignore, Step step) =>
        new(root, ignore, step is CopyStep copy ? IgnoreFile.FromPatterns(copy.Exclude) : IgnoreFile.Empty);

    private static bool KeepsParents(Step step) => step is CopyStep { KeepsParents: true };

    private static IEnumerable<string> SourcesOf(Step step, Step input) => step switch
    {
        CopyStep copy => copy.Sources.Where(s => s.Root?.Digest == input.Digest).Select(s => s.Path),
        RunStep run => run.Mounts.Where(m => m.From?.Digest == input.Digest).Select(m => m.Mount.Source ?? "/"),
        _ => ["/"],
    };
}
