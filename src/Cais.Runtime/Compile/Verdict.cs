using Cais.Oci.Runtime;

namespace Cais.Runtime.Compile;

/// <summary>
/// What a filter answers to one system call: an action, or one of several that depend on arguments. A rule without conditions makes
/// those with conditions meaningless, as in libseccomp; among those with conditions the first that holds counts.
/// </summary>
internal sealed class Verdict(uint otherwise)
{
    private uint? _always;
    private List<(uint Action, IReadOnlyList<SeccompArgument> Conditions)>? _conditional;

    /// <summary>Nothing can change it any more.</summary>
    public static Verdict Always(uint action) => new(action) { _always = action };

    public IReadOnlyList<(uint Action, IReadOnlyList<SeccompArgument> Conditions)> Conditional => _conditional is null ? [] : _conditional;

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
            _conditional = null;
            return;
        }

        _conditional ??= [];

        // The same argument twice in one rule cannot be said in libseccomp; runtimes read it as one rule for each condition.
        if (HasRepeatedArgument(conditions))
        {
            foreach (var condition in conditions)
            {
                _conditional.Add((action, [condition]));
            }
        }
        else
        {
            _conditional.Add((action, conditions));
        }
    }

    public bool SameAs(Verdict other) => _conditional is null && other._conditional is null && Otherwise == other.Otherwise;

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
