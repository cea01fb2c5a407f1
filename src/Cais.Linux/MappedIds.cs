namespace Cais.Linux;

/// <summary>Under which ids files shall appear that are seen through a mount: those of a user namespace.</summary>
/// <param name="map">The ids.</param>
/// <param name="space">A user namespace that has them. Owned from here.</param>
public sealed class MappedIds(IdMap map, FileDescriptor space) : IDisposable
{
    public IdMap Map => map;

    public FileDescriptor Space => space;

    /// <summary>The ids outside of whoever is root inside.</summary>
    public (uint User, uint Group) Root => (map.UserOutside(0), map.GroupOutside(0));

    /// <summary>With a new namespace.</summary>
    public static MappedIds Create(IdMap map) => new(map, UserNamespace.Create(map));

    /// <summary>
    /// Runs something with the namespace's root as the owner of files that it makes, with all rights of this process: through a mount with mapped ids nobody can make a file
    /// whose id is not in the map.
    /// </summary>
    public T AsRoot<T>(Func<T> work)
    {
        T result = default!;
        ThreadIdentity.RunAs(Root.User, Root.Group, () => result = work());
        return result;
    }

    public void Dispose() => space.Dispose();
}
