using System.Runtime.InteropServices;

namespace Cais.Runtime.Compile;

/// <summary>Verdicts by the numbers of calls. Nearly all numbers are small; ARM's private calls are far above the others.</summary>
internal sealed class VerdictTable
{
    private readonly Verdict?[] _ordinary = new Verdict?[1024];
    private Dictionary<uint, Verdict?>? _others;

    /// <summary>Null where there is none yet.</summary>
    public ref Verdict? this[uint number]
    {
        get
        {
            if (number < _ordinary.Length)
            {
                return ref _ordinary[number];
            }

            return ref CollectionsMarshal.GetValueRefOrAddDefault(_others ??= [], number, out _);
        }
    }

    /// <summary>In the order of their numbers.</summary>
    public List<(uint Number, Verdict Verdict)> ToList()
    {
        var list = new List<(uint, Verdict)>(512);
        for (uint i = 0; i < _ordinary.Length; i++)
        {
            if (_ordinary[i] is { } verdict)
            {
                list.Add((i, verdict));
            }
        }

        uint[] numbers = _others is null ? [] : [.. _others.Keys];
        Array.Sort(numbers);
        foreach (var number in numbers)
        {
            list.Add((number, _others![number]!));
        }

        return list;
    }
}
