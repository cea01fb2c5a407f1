using Cais.Oci.Images;

namespace Cais.Images.Tests.Archives;

/// <summary>Images for several platforms, of which some are saved, loaded or removed.</summary>
[Trait("Tier", "integration")]
public sealed class PlatformTests
{
    private static readonly Platform Foreign = Platform.Parse("linux/s390x");
    private static readonly Platform Other = Platform.Parse("linux/riscv64");

    private readonly ImageMaker _maker = new();
    private readonly Descriptor _here;
    private readonly Descriptor _there;
    private readonly Descriptor _other;
    private readonly Descriptor _index;

    public PlatformTests()
    {
        _here = _maker.Image([Layer("here")], TarMaker.Gzip);
        _there = _maker.Image([Layer("there")], TarMaker.Gzip, Foreign);
        _other = _maker.Image([Layer("other")], TarMaker.Gzip, Other);
        _index = _maker.IndexOf(_here, _there, _other);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static byte[] Layer(string name) => new TarMaker().File(name).ToArray();

    private Task<IReadOnlyList<LoadedImage>> Load(TestStore store, params IReadOnlyList<Platform> platforms) =>
        store.Images.LoadAsync(new MemoryStream(_maker.OciArchive((_index, "multi:1"))), platforms, new Heard(), Token);

    private static Digest[] Available(TestStore store, Digest id) => [.. store.Images.Manifests(id).Where(m => m.IsAvailable).Select(m => m.Descriptor.Digest)];

    private static async Task<byte[]> Save(TestStore store, params IReadOnlyList<Platform> platforms)
    {
        var archive = new MemoryStream();
        await store.Images.SaveAsync(["multi:1"], archive, platforms, Token);
        return archive.ToArray();
    }

    [Fact]
    public async Task Only_the_platforms_asked_for_are_loaded_and_nothing_is_left_of_the_others()
    {
        await using var store = new TestStore();

        await Load(store, Foreign, Other);

        Assert.Equal([_there.Digest, _other.Digest], Available(store, _index.Digest));

        // The index, and of each platform the manifest, the configuration and the layer.
        Assert.Equal(7, store.BlobFiles.Length);
        Assert.True((await store.Images.CheckAsync(new(), new Heard(), Token)).IsSound);
    }

    [Fact]
    public async Task A_platform_that_the_archive_does_not_have_is_an_error_and_changes_nothing()
    {
        await using var store = new TestStore();

        var e = await Assert.ThrowsAsync<ImageException>(() => Load(store, Platform.Parse("linux/mips64le")));

        Assert.Equal(ImageErrorKind.NotFound, e.Kind);
        Assert.Empty(store.Images.List());
        Assert.Empty(store.BlobFiles);
    }

    [Fact]
    public async Task One_platform_is_saved_as_an_image_of_its_own()
    {
        await using var store = new TestStore();
        await using var second = new TestStore();
        await Load(store);

        await second.Images.LoadAsync(new MemoryStream(await Save(store, Foreign)), new Heard(), Token);

        Assert.Equal(_there.Digest, second.Images.Get("multi:1").Id);
    }

    [Fact]
    public async Task Several_platforms_are_saved_below_their_index()
    {
        await using var store = new TestStore();
        await using var second = new TestStore();
        await Load(store);

        await second.Images.LoadAsync(new MemoryStream(await Save(store, Foreign, Other)), new Heard(), Token);

        Assert.Equal(_index.Digest, second.Images.Get("multi:1").Id);
        Assert.Equal([_there.Digest, _other.Digest], Available(second, _index.Digest));
    }

    [Fact]
    public async Task A_platform_that_is_not_here_cannot_be_saved()
    {
        await using var store = new TestStore();
        await Load(store, Foreign);

        var e = await Assert.ThrowsAsync<ImageException>(() => Save(store, Other));

        Assert.Equal(ImageErrorKind.NotFound, e.Kind);
    }

    [Fact]
    public async Task A_platform_is_removed_and_its_space_freed_while_the_name_stays()
    {
        await using var store = new TestStore();
        await Load(store);

        var removed = store.Images.RemovePlatforms("multi:1", [Foreign]);

        Assert.Equal([new RemovedItem(null, _there.Digest.ToString())], removed);
        Assert.Equal([_here.Digest, _other.Digest], Available(store, _index.Digest));
        Assert.Equal(7, store.BlobFiles.Length);
        Assert.Equal(_index.Digest, store.Images.Get("multi:1").Id);
        Assert.Equal(ImageErrorKind.NotFound, Assert.Throws<ImageException>(() => store.Images.RemovePlatforms("multi:1", [Foreign])).Kind);
        await Load(store);
        Assert.Equal(3, Available(store, _index.Digest).Length);
    }

    [Fact]
    public async Task A_platform_that_a_container_stands_on_stays()
    {
        await using var store = new TestStore();
        await Load(store);
        await store.Images.Snapshots.PrepareAsync("c1", store.Images.Get("multi:1"), Token);

        var e = Assert.Throws<ImageException>(() => store.Images.RemovePlatforms("multi:1", [Platform.Current], force: true));

        Assert.Equal(ImageErrorKind.Conflict, e.Kind);
        Assert.Equal(3, Available(store, _index.Digest).Length);
    }

    [Fact]
    public async Task What_images_share_is_counted_once()
    {
        await using var store = new TestStore();
        var shared = new TarMaker().File("big", new byte[200_000]).ToArray();
        var (one, two) = (_maker.Image([shared, Layer("1")], TarMaker.Gzip), _maker.Image([shared, Layer("2")], TarMaker.Gzip));
        await store.Images.LoadAsync(new MemoryStream(_maker.OciArchive((one, "one:1"), (two, "two:1"))), new Heard(), Token);

        var usage = store.Images.Usage(id => id == one.Digest);

        var sizes = store.Images.List().ToDictionary(i => i.Id, i => i.Size);
        Assert.True(usage.Shared[one.Digest] >= 200_000);
        Assert.Equal(usage.Shared[one.Digest], usage.Shared[two.Digest]);
        Assert.Equal(sizes[one.Digest] + sizes[two.Digest] - usage.Shared[one.Digest], usage.Total);
        Assert.Equal(sizes[two.Digest] - usage.Shared[two.Digest], usage.Reclaimable);
        Assert.Equal(usage.Reclaimable, store.Images.Remove("two:1") is { Count: > 0 } ? usage.Total - store.Images.Usage(_ => true).Total : 0);
    }
}
