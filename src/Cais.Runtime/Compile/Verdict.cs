using Cais.Oci.Runtime;

namespace Cais.Runtime.Compile;

/// <summary>
/// What a filter answers to one system call: an action, or one of several that depend on arguments. A rule without conditions makes
/// those with conditions meaningless, as in libseccomp; among those with conditions the first that holds counts.
/// </summary>
internal sealed class Verdict(uint otherwise)
{
    private uint? _always;

    public List<(uint Action, IReadOnlyList<SeccompArgument> Conditions)> Conditional { get; } = [];

    /// <summary>When no condition holds.</summary>
    public uint Otherwise => _always ?? otherwise;

    public void Add(uint action, IReadOnlyList<SeccompArgument>? conditions)
    {
        if (_always is not null)
        {
            return;
        }

        if (conditions is not { Count: > 0 })
        {
            _always = action;
            Conditional.Clear();
            return;
        }

        // The same argument twice in one rule cannot be said in libseccomp; runtimes read it as one rule for each condition.
        if (HasRepeatedArgument(conditions))
        {
            foreach (var condition in conditions)
            {
                Conditional.Add((action, [condition]));
            }
        }
        else
        {
            Conditional.Add((action, conditions));
        }
    }

    public bool SameAs(Verdict other) => Conditional.Count == 0 && other.Conditional.Count == 0 && Otherwise == other.Otherwise;

    private static bool HasRepeatedArgument(IReadOnlyList<SeccompArgument> conditions)
    {
        for (var i = 0; i < conditions.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (conditions[i].Index == conditions[j].Index)
                {
                    return true;
                }
            }
        }

        return false;
    }
}
