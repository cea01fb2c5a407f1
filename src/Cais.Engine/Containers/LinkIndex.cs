namespace Cais.Engine.Containers;

/// <summary>
/// Legacy links (<c>--link name:alias</c>) between containers in the default network: a name <c>parent/alias</c> for the container that is linked to. They
/// are part of the parent's record; this index answers who is linked to, by whom, and by which name. Not for itself safe to share: the store's lock guards it.
/// </summary>
internal sealed class LinkIndex
{
    private readonly Dictionary<string, string> _childByName = [];
    private readonly Dictionary<string, List<(string Parent, string Alias)>> _parents = [];

    /// <summary>The container that a name <c>parent/alias</c> means.</summary>
    public string? Find(string name) => _childByName.GetValueOrDefault(name);

    /// <summary>Who links to a container: ids, and the names they have for it.</summary>
    public IReadOnlyList<(string Parent, string Alias)> To(string child) => _parents.GetValueOrDefault(child) is { } found ? [.. found] : [];

    public void Add(ContainerRecord parent)
    {
        foreach (var (alias, child) in parent.Links)
        {
            _childByName[$"{parent.Name}/{alias}"] = child;
            if (!_parents.TryGetValue(child, out var list))
            {
                _parents[child] = list = [];
            }

            list.Add((parent.Id, alias));
        }
    }

    public void Remove(ContainerRecord parent)
    {
        foreach (var (alias, child) in parent.Links)
        {
            _childByName.Remove($"{parent.Name}/{alias}");
            if (_parents.TryGetValue(child, out var list) && list.Remove((parent.Id, alias)) && list.Count == 0)
            {
                _parents.Remove(child);
            }
        }
    }
}
