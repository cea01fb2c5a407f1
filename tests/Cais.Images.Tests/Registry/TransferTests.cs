using Cais.Oci.Images;

namespace Cais.Images.Tests.Registry;

/// <summary>Broken transfers that are taken up again, also by another process; limits, foreign layers, referrers.</summary>
[Trait("Tier", "integration")]
public sealed class TransferTests : IAsyncLifetime
{
    private const int LayerSize = 3_000_000;

    private readonly ImageMaker _maker = new();
    private TestRegistry _registry = null!;
    private FaultProxy _proxy = null!;
    private TestStore _store = null!;
    private Descriptor _image = null!;
    private Descriptor _layer = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Reference Name => Reference.Parse($"{_proxy.Host}/app:1");

    private string[] Partial => Directory.GetFiles(Path.Combine(_store.Root, "content/partial"));

    public async ValueTask InitializeAsync()
    {
        _registry = await TestRegistry.StartAsync();
        _proxy = new FaultProxy(_registry.Host);
        _store = new TestStore(o => o with { MaxDownloadAttempts = 2 });
        var noise = new byte[LayerSize];
        new Random(3).NextBytes(noise);
        _image = _maker.Image([new TarMaker().File("noise", noise).ToArray()]);
        _layer = Manifest.Parse(_maker.Blobs[_image.Digest]).Layers[0];
        await _registry.AddAsync(_maker, _image, "app", "1");
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _proxy.Dispose();
        await _registry.DisposeAsync();
    }

    private bool IsLayer(string path) => path.EndsWith(_layer.Digest.ToString(), StringComparison.Ordinal);

    private Task<PullResult> Pull(Heard? heard = null, CancellationToken? token = null) =>
        _store.Images.PullAsync(Name, new PullOptions(), heard ?? new Heard(), token ?? Token);

    /// <summary>Every attempt brings a little and breaks off, until the puller gives up after attempts that bring nothing.</summary>
    private async Task FailWithPart()
    {
        _proxy.Plan = (_, path, before) => !IsLayer(path) ? null : before == 0 ? new Fault { CutAfter = 1_000_000 } : new Fault { Status = 503 };
        await Assert.ThrowsAsync<ImageException>(() => Pull());
        Assert.Single(Partial);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_later_pull_goes_on_where_a_failed_one_stopped_in_another_process_too(bool anotherProcess)
    {
        await FailWithPart();
        if (anotherProcess)
        {
            await _store.Reopen();
        }

        var sent = 0L;
        _proxy.Plan = (_, path, _) => IsLayer(path) ? new Fault { Seen = n => sent += n } : null;
        Assert.Equal(_image.Digest, (await Pull()).Digest);

        Assert.InRange(sent, 1, LayerSize - 900_000);
        Assert.Empty(Partial);
    }

    [Fact]
    public async Task A_part_that_went_bad_meanwhile_is_thrown_away_and_all_is_fetched()
    {
        await FailWithPart();
        var bytes = await File.ReadAllBytesAsync(Partial[0], Token);
        bytes[1000] ^= 1;
        await File.WriteAllBytesAsync(Partial[0], bytes, Token);
        _proxy.Plan = (_, _, _) => null;

        Assert.Equal(_image.Digest, (await Pull()).Digest);

        Assert.Empty(Partial);
        Assert.True((await _store.Images.CheckAsync(new(), new Heard(), Token)).IsSound);
    }

    [Fact]
    public async Task What_broken_pulls_left_is_counted_and_pruned()
    {
        await FailWithPart();
        Assert.True(_store.Images.Usage(_ => true).Total >= 900_000);

        Assert.True(_store.Images.Prune(all: false).SpaceReclaimed >= 900_000);

        Assert.Empty(Partial);
    }

    [Fact]
    public async Task An_upload_that_broke_off_begins_anew_where_the_registry_cannot_go_on()
    {
        await Pull();
        await using var empty = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(empty.Host);
        _store.Images.Tag(_image.Digest, Reference.Parse($"{proxy.Host}/copy:1"));
        var broken = 0;
        proxy.Plan = (method, path, _) => method == "PUT" && path.Contains(_layer.Digest.Hex, StringComparison.Ordinal) && broken++ == 0 ? new Fault { CutRequestAfter = 2_000_000 } : null;
        var heard = new Heard();

        var pushed = await _store.Images.PushAsync(Reference.Parse($"{proxy.Host}/copy:1"), new PushOptions(), heard, Token);

        Assert.Equal(_image.Digest, pushed.Digest);
        Assert.Contains(heard.Statuses, s => s.StartsWith("Retrying in", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_too_large_for_one_request_goes_in_chunks_and_goes_on_after_the_last_good_one()
    {
        await using var store = new TestStore(o => o with { UploadChunkSize = 500_000 });
        await store.Images.PullAsync(Reference.Parse($"{_registry.Host}/app:1"), new PullOptions(), new Heard(), Token);
        await using var empty = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(empty.Host);
        store.Images.Tag(_image.Digest, Reference.Parse($"{proxy.Host}/copy:1"));
        var patches = 0;
        proxy.Plan = (method, _, _) => method == "PATCH" && ++patches == 4 ? new Fault { Status = 503 } : new Fault { LargestBody = 1_000_000 };

        var pushed = await store.Images.PushAsync(Reference.Parse($"{proxy.Host}/copy:1"), new PushOptions(), new Heard(), Token);

        Assert.Equal(_image.Digest, pushed.Digest);

        // Seven pieces, one of them twice.
        Assert.Equal(8, patches);
        await using var other = new TestStore();
        Assert.Equal(_image.Digest, (await other.Images.PullAsync(Reference.Parse($"{empty.Host}/copy:1"), new PullOptions(), new Heard(), Token)).Digest);
    }

    [Fact]
    public async Task A_server_that_says_when_to_come_again_is_obeyed()
    {
        _proxy.Plan = (_, path, before) => IsLayer(path) && before == 0 ? new Fault { Status = 429, Headers = "Retry-After: 1\r\n" } : null;
        var heard = new Heard();

        await Pull(heard);

        Assert.Contains("Retrying in 1 second", heard.Statuses);
    }

    [Fact]
    public async Task The_rate_limit_is_shown_and_so_is_that_it_is_used_up()
    {
        const string limits = "ratelimit-limit: 100;w=21600\r\nratelimit-remaining: 76;w=21600\r\n";
        _proxy.Plan = (_, path, _) => path.Contains("/manifests/", StringComparison.Ordinal) ? new Fault { AddHeaders = limits } : null;
        var heard = new Heard();
        await Pull(heard);
        Assert.Contains("Rate limit: 76 of 100 pulls left per 6 h", heard.Statuses);

        await using var other = new TestStore();
        _proxy.Plan = (_, path, _) => path.Contains("/manifests/", StringComparison.Ordinal)
            ? new Fault { Status = 429, Headers = limits.Replace("76", "0", StringComparison.Ordinal) + "Retry-After: 300\r\n" }
            : null;
        var e = await Assert.ThrowsAsync<ImageException>(() => other.Images.PullAsync(Name, new PullOptions(), new Heard(), Token));
        Assert.StartsWith("toomanyrequests: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("0 of 100 pulls left per 6 h", e.Message, StringComparison.Ordinal);
        Assert.Contains("try again in 300 s", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flipped_bit_in_a_manifest_asked_for_by_tag_is_caught()
    {
        _proxy.Plan = (method, path, _) => method == "HEAD" ? new Fault { Status = 405 }
            : path.EndsWith("/manifests/1", StringComparison.Ordinal) ? new Fault { FlipAt = 40 } : null;

        var e = await Assert.ThrowsAsync<ImageException>(() => Pull());

        Assert.Equal(ImageErrorKind.DigestMismatch, e.Kind);
        Assert.Empty(_store.Images.List());
    }

    [Fact]
    public async Task A_foreign_layer_comes_from_its_own_address_and_is_not_pushed()
    {
        var tar = new TarMaker().File("foreign", "from elsewhere").ToArray();
        var blob = TarMaker.Gzip(tar);
        _proxy.Files["/elsewhere/layer"] = blob;
        var maker = new ImageMaker();
        var plain = maker.Image([tar], TarMaker.Gzip);
        var manifest = Manifest.Parse(maker.Blobs[plain.Digest]);
        var foreign = maker.Add(
            (manifest with
            {
                Layers = [manifest.Layers[0] with { MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Urls = [$"http://{_proxy.Host}/elsewhere/layer"] }],
                MediaType = MediaTypes.DockerManifest,
                Config = manifest.Config with { MediaType = MediaTypes.DockerConfig },
            }).ToJson(), MediaTypes.DockerManifest);
        maker.Blobs.Remove(manifest.Layers[0].Digest);
        maker.Blobs.Remove(plain.Digest);
        await _registry.AddAsync(maker, foreign, "foreign", "1", MediaTypes.DockerManifest);

        await _store.Images.PullAsync(Reference.Parse($"{_proxy.Host}/foreign:1"), new PullOptions(), new Heard(), Token);

        Assert.Equal("from elsewhere", File.ReadAllText(Path.Combine(_store.PathOf(Digest.Of(tar)), "foreign")));
        await using var empty = await TestRegistry.StartAsync();
        _store.Images.Tag(foreign.Digest, Reference.Parse($"{empty.Host}/foreign:1"));
        using var watch = new FaultProxy(empty.Host);
        _store.Images.Tag(foreign.Digest, Reference.Parse($"{watch.Host}/foreign:1"));
        try
        {
            await _store.Images.PushAsync(Reference.Parse($"{watch.Host}/foreign:1"), new PushOptions(), new Heard(), Token);
        }
        catch (ImageException e)
        {
            // Debian's registry takes manifests with foreign layers only if it is configured to.
            Assert.Contains("manifest invalid", e.Message, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(watch.Requests, r => r.Contains(manifest.Layers[0].Digest.Hex, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_refers_to_an_image_is_found_where_the_registry_has_no_referrers_api()
    {
        await Pull();
        var maker = new ImageMaker();
        var signature = maker.Add("signed"u8.ToArray(), "application/vnd.example.signature");
        var empty = maker.Add("{}"u8.ToArray(), MediaTypes.OciEmpty);
        var artifact = maker.Add(
            new Manifest
            {
                MediaType = MediaTypes.OciManifest,
                ArtifactType = "application/vnd.example.signature",
                Config = empty,
                Layers = [signature],
                Subject = _image with { Platform = null },
            }.ToJson(), MediaTypes.OciManifest);
        await _store.Images.LoadAsync(new MemoryStream(maker.OciArchive((artifact, $"{_registry.Host}/app:sig"))), new Heard(), Token);
        Assert.Empty(await _store.Images.ReferrersAsync(Reference.Parse($"{_registry.Host}/app"), _image.Digest, null, Token));

        await _store.Images.PushAsync(Reference.Parse($"{_registry.Host}/app:sig"), new PushOptions(), new Heard(), Token);

        var found = Assert.Single(await _store.Images.ReferrersAsync(Reference.Parse($"{_registry.Host}/app"), _image.Digest, null, Token));
        Assert.Equal((artifact.Digest, "application/vnd.example.signature"), (found.Digest, found.ArtifactType));
        await _store.Images.PushAsync(Reference.Parse($"{_registry.Host}/app:sig"), new PushOptions(), new Heard(), Token);
        Assert.Single(await _store.Images.ReferrersAsync(Reference.Parse($"{_registry.Host}/app"), _image.Digest, null, Token));
    }

    [Fact]
    public async Task A_registry_is_asked_about_an_image_without_fetching_it()
    {
        var maker = new ImageMaker();
        var index = maker.IndexOf(maker.Image([new TarMaker().File("a").ToArray()]), maker.Image([new TarMaker().File("b").ToArray()], null, Platform.Parse("linux/arm64")));
        await _registry.AddAsync(maker, index, "multi", "2");
        await _registry.AddAsync(maker, index, "multi", "1");

        var one = await _store.Images.InspectRemoteAsync(Name, null, Token);
        var many = await _store.Images.InspectRemoteAsync(Reference.Parse($"{_registry.Host}/multi:1"), null, Token);

        Assert.Equal((_image.Digest, 1), (one.Descriptor.Digest, one.Platforms.Count));
        Assert.Equal(Platform.Current, one.Platforms[0]);
        Assert.Equal((index.Digest, 2), (many.Descriptor.Digest, many.Platforms.Count));
        Assert.Equal(["1", "2"], await _store.Images.RemoteTagsAsync(Reference.Parse($"{_registry.Host}/multi"), null, Token));
        Assert.Equal([$"{_registry.Host}/multi"], (await _store.Images.SearchAsync($"{_registry.Host}/mult", 10, null, Token)).Select(f => f.Name));
        Assert.Empty(_store.Images.List());
        Assert.Empty(_store.BlobFiles);
    }

    [Fact]
    public async Task An_index_is_put_together_of_other_repositories_manifests()
    {
        var maker = new ImageMaker();
        var arm = maker.Image([new TarMaker().File("arm").ToArray()], TarMaker.Gzip, Platform.Parse("linux/arm64"));
        await _registry.AddAsync(maker, arm, "arm", "1");
        await using var elsewhere = await TestRegistry.StartAsync();
        var index = new Cais.Oci.Images.Index { MediaType = MediaTypes.OciIndex, Manifests = [_image with { Platform = Platform.Current }, arm] }.ToJson();
        var target = Reference.Parse($"{elsewhere.Host}/both:1");

        var digest = await _store.Images.PutRemoteIndexAsync(
            target, index, MediaTypes.OciIndex,
            [Reference.Parse($"{_registry.Host}/app").WithDigest(_image.Digest), Reference.Parse($"{_registry.Host}/arm").WithDigest(arm.Digest)], _ => null, Token);

        Assert.Equal(Digest.Of(index), digest);
        await _store.Images.PullAsync(target, new PullOptions { AllPlatforms = true }, new Heard(), Token);
        Assert.All(_store.Images.Manifests(digest), m => Assert.True(m.IsAvailable));
    }

    [Fact]
    public async Task An_image_is_imported_from_a_web_server()
    {
        _proxy.Files["/root.tar.gz"] = TarMaker.Gzip(new TarMaker().File("from-the-web", "yes").ToArray());

        var image = await _store.Images.ImportFromAsync(new Uri($"http://{_proxy.Host}/root.tar.gz"), new ImportOptions { Name = Reference.Parse("web") }, new Heard(), Token);

        Assert.Equal("yes", File.ReadAllText(Path.Combine(_store.PathOf(image.Config.RootFs.DiffIds[0]), "from-the-web")));
        var e = await Assert.ThrowsAsync<ImageException>(() => _store.Images.ImportFromAsync(new Uri($"http://{_proxy.Host}/nothing"), new ImportOptions(), new Heard(), Token));
        Assert.Contains("404", e.Message, StringComparison.Ordinal);
    }
}
