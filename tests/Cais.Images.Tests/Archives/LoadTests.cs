using System.Text;
using Cais.Oci.Images;

namespace Cais.Images.Tests.Archives;

[Trait("Tier", "integration")]
public sealed class LoadTests
{
    private static byte[] Layer(string name, string content = "x") => new TarMaker().Directory("dir/").File("dir/" + name, content).ToArray();

    private static Task<IReadOnlyList<LoadedImage>> Load(TestStore store, byte[] archive) =>
        store.Images.LoadAsync(new MemoryStream(archive), new Heard(), TestContext.Current.CancellationToken);

    [Theory]
    [InlineData("none")]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task An_OCI_archive_is_loaded_under_its_name_with_its_layers_unpacked(string compression)
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var layers = new[] { Layer("a", "one"), Layer("b", "two") };
        var image = maker.Image(layers, compression switch { "gzip" => TarMaker.Gzip, "zstd" => TarMaker.Zstd, _ => null });

        var loaded = await Load(store, maker.OciArchive((image, "docker.io/library/app:1")));

        Assert.Equal([new LoadedImage("app:1", image.Digest)], loaded);
        var record = store.Images.Get("app:1");
        Assert.Equal(image.Digest, record.Id);
        Assert.Equal(["app:1"], record.RepoTags);
        Assert.Equal([$"app@{image.Digest}"], record.RepoDigests);
        Assert.Equal("one", File.ReadAllText(Path.Combine(store.PathOf(Digest.Of(layers[0])), "dir/a")));
        Assert.Equal("two", File.ReadAllText(Path.Combine(store.PathOf(Digest.Of(layers[1])), "dir/b")));
        Assert.Empty(store.IngestFiles);
        Assert.Equal(maker.Blobs.Count, store.BlobFiles.Length);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task A_compressed_archive_is_loaded(string compression)
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var archive = maker.OciArchive((maker.Image([Layer("a")]), "app:1"));

        await Load(store, compression == "gzip" ? TarMaker.Gzip(archive) : TarMaker.Zstd(archive));

        Assert.NotNull(store.Images.Resolve("app:1"));
    }

    [Fact]
    public async Task An_old_docker_archive_with_linked_layers_is_loaded()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var layers = new[] { Layer("a"), Layer("b"), Layer("a") };
        var image = maker.Image(layers);

        var loaded = await Load(store, maker.DockerArchive(image, "old:3", linkDuplicates: true));

        var record = store.Images.Get("old:3");
        Assert.Equal("old:3", Assert.Single(loaded).Name);
        Assert.Equal(layers.Select(l => Digest.Of(l)), record.Config.RootFs.DiffIds);
        Assert.Equal(MediaTypes.DockerManifest, record.Target.MediaType);
        var mount = await store.Images.Snapshots.PrepareAsync("c1", record, TestContext.Current.CancellationToken);
        Assert.Equal(2, mount.ImageDirs.Count);
    }

    [Fact]
    public async Task A_blob_that_is_not_what_its_name_says_is_refused_and_nothing_is_kept()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a")], TarMaker.Gzip);
        var layer = Manifest.Parse(maker.Blobs[image.Digest]).Layers[0].Digest;
        maker.Blobs[layer] = TarMaker.Gzip(Layer("evil"));

        var e = await Assert.ThrowsAsync<ImageException>(() => Load(store, maker.OciArchive((image, "app:1"))));

        Assert.Equal(ImageErrorKind.DigestMismatch, e.Kind);
        Assert.Contains(layer.ToString(), e.Message, StringComparison.Ordinal);
        Assert.Empty(store.Images.List());
        Assert.Empty(store.IngestFiles);
        Assert.Empty(store.BlobFiles);
        Assert.Empty(store.Snapshots);
    }

    [Fact]
    public async Task A_layer_that_is_not_what_the_configuration_says_is_refused()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var other = new ImageMaker();
        var good = maker.Image([Layer("a")]);
        var manifest = Manifest.Parse(maker.Blobs[good.Digest]);
        var wrong = maker.Add(Layer("evil"), MediaTypes.OciLayer);
        var bad = maker.Add((manifest with { Layers = [wrong] }).ToJson(), MediaTypes.OciManifest);

        var e = await Assert.ThrowsAsync<ImageException>(() => Load(store, maker.OciArchive((bad, "app:1"))));

        Assert.Equal(ImageErrorKind.DigestMismatch, e.Kind);
        Assert.Contains("wrong diff id", e.Message, StringComparison.Ordinal);
        Assert.Empty(store.Images.List());
        Assert.Empty(store.Snapshots);
    }

    [Fact]
    public async Task An_archive_cut_off_anywhere_is_refused_and_nothing_is_kept()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var archive = maker.OciArchive((maker.Image([Layer("a", new string('y', 5000))], TarMaker.Gzip), "app:1"));
        for (var length = 100; length < archive.Length - 1500; length += 700)
        {
            await Assert.ThrowsAsync<ImageException>(() => Load(store, archive[..length]));
            Assert.Empty(store.Images.List());
            Assert.Empty(store.BlobFiles);
            Assert.Empty(store.IngestFiles);
        }
    }

    [Fact]
    public async Task A_hostile_layer_within_a_good_archive_is_refused_and_nothing_is_kept()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([new TarMaker().File("../../escape").ToArray()], TarMaker.Gzip);

        var e = await Assert.ThrowsAsync<ImageException>(() => Load(store, maker.OciArchive((image, "app:1"))));

        Assert.Contains("leads outside of the layer", e.Message, StringComparison.Ordinal);
        Assert.Empty(store.Images.List());
        Assert.Empty(store.BlobFiles);
        Assert.Empty(store.Snapshots);
    }

    [Theory]
    [InlineData("not a tar at all, but long enough to be looked at as one block of it perhaps")]
    [InlineData("")]
    public async Task Something_that_is_no_archive_is_refused(string content)
    {
        await using var store = new TestStore();

        var e = await Assert.ThrowsAsync<ImageException>(() => Load(store, Encoding.UTF8.GetBytes(content)));

        Assert.Equal(ImageErrorKind.InvalidArgument, e.Kind);
    }

    [Fact]
    public async Task Several_images_are_loaded_at_once_and_share_what_they_can()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var shared = Layer("a");
        var one = maker.Image([shared, Layer("b")], TarMaker.Gzip);
        var two = maker.Image([shared, Layer("c")], TarMaker.Gzip);

        await Load(store, maker.OciArchive((one, "one:1"), (two, "two:2")));

        Assert.Equal(["one:1", "two:2"], store.Images.List().SelectMany(i => i.RepoTags).Order());
        Assert.Equal(3, store.Snapshots.Length);
    }

    [Fact]
    public async Task Other_platforms_of_an_index_are_kept_but_not_unpacked()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var here = maker.Image([Layer("a")], TarMaker.Gzip);
        var there = maker.Image([Layer("b")], TarMaker.Gzip, new Platform { Os = "linux", Architecture = "s390x" });
        var index = maker.IndexOf(here, there);

        await Load(store, maker.OciArchive((index, "multi:1")));

        var record = store.Images.Get("multi:1");
        Assert.Equal(index.Digest, record.Id);
        Assert.Equal(here.Digest, record.ManifestDescriptor.Digest);
        Assert.Equal([true, true], store.Images.Manifests(index.Digest).Select(m => m.IsAvailable));
        Assert.Single(store.Snapshots);
        Assert.Equal("s390x", store.Images.Get("multi:1", Platform.Parse("linux/s390x")).Config.Architecture);
    }

    [Fact]
    public async Task Saved_and_loaded_again_an_image_is_the_same()
    {
        await using var store = new TestStore();
        await using var second = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a"), Layer("b")], TarMaker.Gzip);
        await Load(store, maker.OciArchive((image, "app:1")));
        store.Images.Tag(image.Digest, Reference.Parse("example.com/other:2"));
        var archive = new MemoryStream();

        await store.Images.SaveAsync(["app:1", "example.com/other"], archive, null, TestContext.Current.CancellationToken);
        await Load(second, archive.ToArray());

        Assert.Equal(image.Digest, second.Images.Get("app:1").Id);
        Assert.Equal(["app:1", "example.com/other:2"], second.Images.Get("app:1").RepoTags);
        Assert.Equal(store.BlobFiles.Select(Path.GetFileName).Order(), second.BlobFiles.Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task Saving_what_does_not_exist_says_so()
    {
        await using var store = new TestStore();

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.SaveAsync(["nothing"], new MemoryStream(), null, TestContext.Current.CancellationToken));

        Assert.Equal("No such image: nothing:latest", e.Message);
    }
}
