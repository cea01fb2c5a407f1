using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>
/// A runtime that lacks a capability itself cannot give it to a container; the specification (config.md, process.capabilities) wants a
/// warning then, not a failure.
/// </summary>
internal static class GrantableCapabilities
{
    /// <summary>The process with what can be granted; names of what cannot are added to <paramref name="missing"/>.</summary>
    public static Process Reduce(Spec spec, Process process, List<string> missing)
    {
        // In a user namespace of its own a process has every capability over what belongs to that namespace.
        if (process.Capabilities is not { } sets || UserNamespaces.Has(spec))
        {
            return process;
        }

        var permitted = OwnCapabilities.Permitted();
        var reduced = sets with
        {
            Effective = Reduce(sets.Effective, permitted, missing),
            Permitted = Reduce(sets.Permitted, permitted, missing),
            Inheritable = Reduce(sets.Inheritable, permitted, missing),
            Ambient = Reduce(sets.Ambient, permitted, missing),
        };
        return missing.Count == 0 ? process : process with { Capabilities = reduced };
    }

    private static IReadOnlyList<string>? Reduce(IReadOnlyList<string>? names, ulong permitted, List<string> missing)
    {
        List<string>? kept = null;
        for (var i = 0; i < (names?.Count ?? 0); i++)
        {
            var number = CapabilityNames.Number(names![i]);
            if (number >= 0 && (permitted & (1UL << number)) == 0)
            {
                kept ??= [.. names.Take(i)];
                if (!missing.Contains(names[i]))
                {
                    missing.Add(names[i]);
                }
            }
            else
            {
                kept?.Add(names[i]);
            }
        }

        return kept ?? names;
    }
}
