using Cais.Oci.Images;

namespace Cais.Build.Cache;

/// <summary>Checksums of contexts that are known not to have changed: those computed last, in memory.</summary>
internal sealed class ChecksumMemory
{
    private const int Most = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, LinkedListNode<(Digest Key, Digest Value)>> _known = [];
    private readonly LinkedList<(Digest Key, Digest Value)> _order = new();

    public Digest GetOrAdd(Digest key, Func<Digest> compute)
    {
        lock (_gate)
        {
            if (_known.TryGetValue(key, out var node))
            {
                _order.Remove(node);
                _order.AddLast(node);
                return node.Value.Value;
            }
        }

        var value = compute();
        lock (_gate)
        {
            if (!_known.ContainsKey(key))
            {
                _known[key] = _order.AddLast((key, value));
                if (_known.Count > Most)
                {
                    _known.Remove(_order.First!.Value.Key);
                    _order.RemoveFirst();
                }
            }
        }

        return value;
    }
}
