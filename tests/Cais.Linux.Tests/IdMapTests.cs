namespace Cais.Linux.Tests;

/// <summary>Ids of user namespaces, and the namespaces themselves.</summary>
public sealed class IdMapTests
{
    private static readonly IdMap Map = new([new IdRange(0, 100_000, 1000), new IdRange(1000, 5_000, 10)], [new IdRange(0, 200_000, 100)]);

    [Theory]
    [InlineData(0, 100_000)]
    [InlineData(999, 100_999)]
    [InlineData(1000, 5_000)]
    [InlineData(1009, 5_009)]
    [InlineData(1010, uint.MaxValue)]
    public void A_user_has_the_id_of_the_range_that_it_is_in(uint inside, uint outside)
    {
        Assert.Equal(outside, Map.UserOutside(inside));
        Assert.Equal(outside == uint.MaxValue ? IdMap.Nobody : inside, Map.UserInside(outside));
    }

    [Fact]
    public void Whoever_is_not_in_the_map_is_nobody_inside()
    {
        Assert.Equal(IdMap.Nobody, Map.UserInside(0));
        Assert.Equal(IdMap.Nobody, Map.GroupInside(200_100));
        Assert.Equal(99u, Map.GroupInside(200_099));
    }

    [Fact]
    public void Mount_options_carry_it()
    {
        var read = IdMap.OfMountOptions(["lowerdir=/a:/b", .. Map.ToMountOptions(), "index=off"])!;
        Assert.Equal(Map.Users, read.Users);
        Assert.Equal(Map.Groups, read.Groups);
        Assert.Null(IdMap.OfMountOptions(["lowerdir=/a"]));
        Assert.Throws<FormatException>(() => IdMap.OfMountOptions(["uidmap=0:1"]));
    }

    [Fact]
    public void Capabilities_of_a_file_bear_the_number_of_the_namespaces_root()
    {
        byte[] plain = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        var owned = Map.CapabilityOutside(plain);
        Assert.Equal([1, 0, 0, 3, .. plain[4..], 0xa0, 0x86, 1, 0], owned);
        Assert.Equal(plain, Map.CapabilityInside(owned));
        Assert.Equal(owned, Map.CapabilityOutside(owned));
        Assert.Equal([1, 2], Map.CapabilityInside([1, 2]));
    }

    [Fact]
    [Trait("Tier", "integration")]
    public void A_namespace_has_its_ids_and_owns_what_is_made_in_it()
    {
        using var space = UserNamespace.Create(Map);
        Assert.Equal(NamespaceKind.User, Namespaces.KindOf(space));
        using var network = UserNamespace.CreateNetwork(Map);
        using var owner = UserNamespace.OwnerOf(network);
        Assert.Equal(NamespaceKind.Network, Namespaces.KindOf(network));
        Assert.Equal(NamespaceKind.User, Namespaces.KindOf(owner));
        Assert.NotEqual(NameOf(space), NameOf(owner));
        using var further = UserNamespace.CreateNetwork(space);
        using var itsOwner = UserNamespace.OwnerOf(further);
        Assert.Equal(NameOf(space), NameOf(itsOwner));
    }

    [Fact]
    [Trait("Tier", "integration")]
    public void Files_of_an_overlay_have_on_disk_the_ids_that_they_have_inside()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Environment.GetEnvironmentVariable("CAIS_TEST_DISK") ?? "/var/tmp", "cais-ids-" + Guid.NewGuid().ToString("n"))).FullName;
        try
        {
            foreach (var name in new[] { "lower", "upper", "work", "target" })
            {
                Directory.CreateDirectory(Path.Combine(folder, name));
            }

            File.WriteAllText(Path.Combine(folder, "lower", "file"), "x");
            using var ids = MappedIds.Create(Map);
            var (below, seen, made) = Namespaces.RunInNewMountNamespace(() =>
            {
                var target = Path.Combine(folder, "target");
                Mounts.MountOverlay([Path.Combine(folder, "lower")], Path.Combine(folder, "upper"), Path.Combine(folder, "work"), target, ids: ids);
                return ids.AsRoot(() =>
                {
                    File.WriteAllText(Path.Combine(target, "new"), "y");
                    File.AppendAllText(Path.Combine(target, "file"), "z");
                    return (Owner(Path.Combine(folder, "lower", "file")), Owner(Path.Combine(target, "file")), Owner(Path.Combine(target, "new")));
                });
            });
            Assert.Equal((0, 0), below);
            Assert.Equal((100_000, 200_000), seen);
            Assert.Equal((100_000, 200_000), made);
            Assert.Equal((0, 0), Owner(Path.Combine(folder, "upper", "new")));
            Assert.Equal("xz", File.ReadAllText(Path.Combine(folder, "upper", "file")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (int, int) Owner(string path) =>
        Status.EntryStatus.Of(path) is { } status ? ((int)status.Uid, (int)status.Gid) : throw new FileNotFoundException(path);

    private static string? NameOf(FileDescriptor space) => new FileInfo(space.ProcPath).LinkTarget;
}
