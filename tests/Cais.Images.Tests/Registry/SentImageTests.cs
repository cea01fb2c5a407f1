using Cais.Oci.Images;

namespace Cais.Images.Tests.Registry;

/// <summary>Images that were made here are stored uncompressed and sent compressed.</summary>
[Trait("Tier", "integration")]
public sealed class SentImageTests : IAsyncLifetime
{
    private readonly TestStore _store = new();
    private TestRegistry _registry = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static PullOptions Here => new();

    private Reference Name => Reference.Parse($"{_registry.Host}/made:1");

    public async ValueTask InitializeAsync() => _registry = await TestRegistry.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _registry.DisposeAsync();
    }

    private async Task<ImageRecord> ImportAsync() => await _store.Images.ImportAsync(
        new MemoryStream(new TarMaker().File("text", string.Concat(Enumerable.Repeat("the same again and again\n", 10_000))).ToArray()), new ImportOptions { Name = Name }, Token);

    [Fact]
    public async Task An_imported_image_is_pushed_with_compressed_layers_and_stays_what_it_is()
    {
        var image = await ImportAsync();
        Assert.Equal(MediaTypes.OciLayer, image.Manifest.Layers[0].MediaType);

        var pushed = await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token);

        await using var other = new TestStore();
        var pulled = (await other.Images.PullAsync(Name, Here, new Heard(), Token)).Image;
        Assert.Equal(pushed.Digest, pulled.Id);
        Assert.Equal(MediaTypes.OciLayerGzip, pulled.Manifest.Layers[0].MediaType);
        Assert.True(pulled.Manifest.Layers[0].Size < image.Manifest.Layers[0].Size / 10);
        Assert.Equal(image.Config.RootFs.DiffIds, pulled.Config.RootFs.DiffIds);
        Assert.Equal(image.Manifest.Config.Digest, pulled.Manifest.Config.Digest);

        var now = _store.Images.Get(Name.Familiar);
        Assert.Equal(image.Id, now.Id);
        Assert.Equal([$"{_registry.Host}/made@{pushed.Digest}"], now.RepoDigests);
    }

    [Fact]
    public async Task The_digest_that_the_registry_has_names_the_image_here_too()
    {
        var image = await ImportAsync();
        var pushed = await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token);

        Assert.Equal(image.Id, _store.Images.Get($"{_registry.Host}/made@{pushed.Digest}").Id);
        Assert.Equal(image.Id, _store.Images.Get(pushed.Digest.ToString()).Id);
        var heard = new Heard();
        var pulled = await _store.Images.PullAsync(Name, Here, heard, Token);
        Assert.False(pulled.Changed);
        Assert.Equal(image.Id, pulled.Image.Id);
        Assert.Contains(heard.Statuses, s => s.StartsWith("Status: Image is up to date", StringComparison.Ordinal));
        Assert.Single(_store.Images.List());
    }

    [Fact]
    public async Task Pushing_again_compresses_nothing_again_and_removing_the_image_frees_it_all()
    {
        var image = await ImportAsync();
        var first = await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token);
        var blobs = _store.BlobFiles.Length;
        var second = await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token);
        Assert.Equal(first.Digest, second.Digest);
        Assert.Equal(blobs, _store.BlobFiles.Length);

        _store.Images.Prune(all: false);
        Assert.Equal(blobs, _store.BlobFiles.Length);
        _store.Images.Remove(image.Id.ToString());
        Assert.Empty(_store.BlobFiles);
    }

    [Fact]
    public async Task Layers_that_came_from_elsewhere_are_sent_as_they_came()
    {
        var maker = new ImageMaker();
        var image = maker.Image([new TarMaker().File("a").ToArray()]);
        await _store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, Name.ToString()))), new Heard(), Token);
        Assert.Equal(image.Digest, (await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token)).Digest);
    }

    [Fact]
    public async Task Who_wants_them_uncompressed_gets_them_so()
    {
        var image = await ImportAsync();
        Assert.Equal(image.Id, (await _store.Images.PushAsync(Name, new PushOptions { AsStored = true }, new Heard(), Token)).Digest);
    }

    [Fact]
    public async Task An_archive_of_old_is_sent_compressed_too()
    {
        var maker = new ImageMaker();
        var image = maker.Image([new TarMaker().File("a").ToArray()]);
        await _store.Images.LoadAsync(new MemoryStream(maker.DockerArchive(image, Name.ToString())), new Heard(), Token);
        await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token);
        await using var other = new TestStore();
        Assert.Equal(MediaTypes.DockerLayerGzip, (await other.Images.PullAsync(Name, Here, new Heard(), Token)).Image.Manifest.Layers[0].MediaType);
    }

    [Fact]
    public async Task An_image_knows_where_it_was_pulled_from_and_pushed_to_whatever_its_name()
    {
        var image = await ImportAsync();
        Assert.Empty(_store.Images.Origins(image.Id).Repositories);
        await _store.Images.PushAsync(Name, new PushOptions(), new Heard(), Token);
        _store.Images.Tag(image.Id, Reference.Parse("trusted.example/other:1"));
        Assert.Equal([$"{_registry.Host}/made"], _store.Images.Origins(image.Id).Repositories);

        await using var other = new TestStore();
        var pulled = (await other.Images.PullAsync(Name, Here, new Heard(), Token)).Image;
        Assert.Equal([$"{_registry.Host}/made"], other.Images.Origins(pulled.Id).Repositories);
    }

    [Fact]
    public async Task Statements_about_an_image_come_and_go_with_it()
    {
        var maker = new ImageMaker();
        var image = maker.Image([new TarMaker().File("a").ToArray()], TarMaker.Gzip);
        var other = maker.Image([new TarMaker().File("b").ToArray()], TarMaker.Gzip, Platform.Parse("linux/s390x"));
        var index = maker.IndexOf(image, other, Statement(maker, image, "here"), Statement(maker, other, "there"));
        await _registry.AddAsync(maker, index, "made", "1");

        var pulled = (await _store.Images.PullAsync(Name, Here, new Heard(), Token)).Image;

        Assert.Equal(["here"], _store.Images.Attestations(pulled).Select(a => System.Text.Encoding.UTF8.GetString(a.Statement)));
        Assert.Equal(image.Digest, pulled.ManifestDescriptor.Digest);
        Assert.Single(_store.Images.List());
        Assert.Equal([true, false, true, false], _store.Images.Manifests(index.Digest).Select(m => m.IsAvailable));

        // With one platform here that one is pushed, as ever.
        _store.Images.Tag(pulled.Id, Reference.Parse($"{_registry.Host}/copy:1"));
        Assert.Equal(image.Digest, (await _store.Images.PushAsync(Reference.Parse($"{_registry.Host}/copy:1"), new PushOptions(), new Heard(), Token)).Digest);
        _store.Images.Remove(pulled.Id.ToString(), force: true);
        Assert.Empty(_store.BlobFiles);
    }

    private static Descriptor Statement(ImageMaker maker, Descriptor about, string text)
    {
        var layer = maker.Add(System.Text.Encoding.UTF8.GetBytes(text), "application/vnd.in-toto+json") with
        {
            Annotations = new Dictionary<string, string> { ["in-toto.io/predicate-type"] = "https://example.com/said" },
        };
        var config = maker.Add(new ImageConfig { Os = "unknown", Architecture = "unknown", RootFs = new RootFs { DiffIds = [layer.Digest] } }.ToJson(), MediaTypes.OciConfig);
        var manifest = new Manifest { MediaType = MediaTypes.OciManifest, Config = config, Layers = [layer] };
        return maker.Add(manifest.ToJson(), MediaTypes.OciManifest) with
        {
            Platform = new Platform { Os = "unknown", Architecture = "unknown" },
            Annotations = new Dictionary<string, string>
            {
                [Annotations.DockerReferenceType] = "attestation-manifest",
                [Annotations.DockerReferenceDigest] = about.Digest.ToString(),
            },
        };
    }
}
