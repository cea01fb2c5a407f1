using Cais.Engine.Specs;
using Cais.Images;

namespace Cais.Engine.Containers;

/// <summary>
/// Looks up container users. An image's user database is read once; a container that has changed files in its own /etc is looked at by itself.
/// </summary>
internal sealed class UserCache
{
    private const int Kept = 64;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, UserDatabase> _byImage = [];

    public ProcessUser Resolve(ContainerRecord container, RootfsMount rootfs, string? user = null) =>
        DatabaseOf(container, rootfs).Resolve(user ?? container.Config.User, container.HostConfig.GroupAdd);

    private UserDatabase DatabaseOf(ContainerRecord container, RootfsMount rootfs)
    {
        if (Path.Exists(Path.Combine(rootfs.UpperDir, "etc")))
        {
            using var own = RootFiles.Open(rootfs);
            return UserDatabase.Read(own);
        }

        lock (_gate)
        {
            if (_byImage.TryGetValue(container.ImageId, out var known))
            {
                return known;
            }
        }

        using var files = RootFiles.Open(rootfs);
        var database = UserDatabase.Read(files);
        lock (_gate)
        {
            if (_byImage.Count >= Kept)
            {
                _byImage.Clear();
            }

            return _byImage[container.ImageId] = database;
        }
    }
}
