using System.Collections.Concurrent;
using Cais.Build.Cache;
using Cais.Build.Files;
using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>The two keys that a step's result is looked for under, see <see cref="Solver"/>. For one build; any thread.</summary>
internal sealed class StepKeys(BuildCache cache, StepRunner runner, Func<ContextStep, Task<ContextDirectory>> contexts)
{
    private readonly ConcurrentDictionary<Digest, Lazy<Task<Digest?>>> _definitions = new();

    /// <summary>Null where the definition alone cannot tell, or must not.</summary>
    public Task<Digest?> DefinitionAsync(Step step, CancellationToken cancellation) =>
        _definitions.GetOrAdd(step.Digest, _ => new Lazy<Task<Digest?>>(async () =>
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
                else if (await DefinitionAsync(input, cancellation).ConfigureAwait(false) is { } below)
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

    /// <summary>By what the inputs turned out to be. Throws <see cref="SourceNotFoundException"/> if something that the step reads is not there.</summary>
    public async Task<Digest> ContentAsync(Step step, Func<Step, Task<StepResult>> resultOf, CancellationToken cancellation)
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
                hash.Add(await ContextChecksumAsync(step, context, cancellation).ConfigureAwait(false));
                continue;
            }

            var result = await resultOf(input).ConfigureAwait(false);
            if (i == 0 && step.HasBase)
            {
                if (step is CopyStep { IsIndependent: true })
                {
                    continue;
                }

                hash.Add(result.Id);
                continue;
            }

            if (step is MergeStep or DiffStep)
            {
                hash.Add(result.Id);
                continue;
            }

            using var root = RootDirectory.OpenLayers(runner.LayersOf(result));
            hash.Add(new ContentChecksum(Selection(root, IgnoreFile.Empty, step), ignoreOwners: false, cancellation).Of(SourcesOf(step, input), KeepsParents(step), FollowsLinks(step)));
        }

        return hash.Finish();
    }

    private async Task<Digest> ContextChecksumAsync(Step step, ContextStep context, CancellationToken cancellation)
    {
        try
        {
            var directory = await contexts(context).ConfigureAwait(false);
            using var root = RootDirectory.Open(directory.Path);
            Digest Compute() => new ContentChecksum(Selection(root, directory.Ignore, step), ignoreOwners: true, cancellation).Of(SourcesOf(step, context), KeepsParents(step), FollowsLinks(step));
            if (directory.Identity is not { } identity)
            {
                return Compute();
            }

            using var key = new DefinitionHash("context");
            key.Add(identity).Add(KeepsParents(step)).Add(FollowsLinks(step)).Add(step is CopyStep copy ? copy.Exclude : []).Add([.. SourcesOf(step, context)]);
            return cache.Checksums.GetOrAdd(key.Finish(), Compute);
        }
        catch (SourceNotFoundException e)
        {
            throw new StepFailedException(step, $"failed to calculate checksum of build context: {e.Message}", null, e);
        }
    }

    public static SourceSelection Selection(RootDirectory root, IgnoreFile ignore, Step step) =>
        new(root, ignore, step is CopyStep copy ? IgnoreFile.FromPatterns(copy.Exclude) : IgnoreFile.Empty);

    private static bool KeepsParents(Step step) => step is CopyStep { KeepsParents: true };

    private static bool FollowsLinks(Step step) => step is not CopyStep { FollowsLinks: false };

    private static IEnumerable<string> SourcesOf(Step step, Step input) => step switch
    {
        CopyStep copy => copy.Sources.Where(s => s.Root?.Digest == input.Digest).Select(s => s.Path),
        RunStep run => run.Mounts.Where(m => m.From?.Digest == input.Digest).Select(m => m.Mount.Source ?? "/"),
        _ => ["/"],
    };
}
