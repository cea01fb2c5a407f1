using Cais.Oci.Images;

namespace Cais.Images.Tests.Registry;

/// <summary>A registry, or a network, at its worst: nothing wrong is ever taken in, and what can be overcome is.</summary>
[Trait("Tier", "integration")]
public sealed class FaultTests : IAsyncLifetime
{
    private readonly ImageMaker _maker = new();
    private TestRegistry _registry = null!;
    private FaultProxy _proxy = null!;
    private TestStore _store = null!;
    private Descriptor _image = null!;
    private Descriptor _layer = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _registry = await TestRegistry.StartAsync();
        _proxy = new FaultProxy(_registry.Host);
        _store = new TestStore();
        var noise = new byte[600_000];
        new Random(1).NextBytes(noise);
        _image = _maker.Image([new TarMaker().File("noise", noise).ToArray(), new TarMaker().File("small").ToArray()], TarMaker.Gzip);
        _layer = Manifest.Parse(_maker.Blobs[_image.Digest]).Layers[0];
        await _registry.AddAsync(_maker, _image, "app", "1");
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _proxy.Dispose();
        await _registry.DisposeAsync();
    }

    private Task<PullResult> Pull(Heard? heard = null) =>
        _store.Images.PullAsync(Reference.Parse($"{_proxy.Host}/app:1"), new PullOptions(), heard ?? new Heard(), Token);

    private bool IsLayer(string path) => path.EndsWith(_layer.Digest.ToString(), StringComparison.Ordinal);

    private int LayerRequests => _proxy.Requests.Count(IsLayer);

    private async Task PullFailsWith(ImageErrorKind kind)
    {
        var e = await Assert.ThrowsAsync<ImageException>(() => Pull());
        Assert.Equal(kind, e.Kind);
        Assert.Empty(_store.Images.List());
        await Cais.Testing.Eventually.Holds(
            () =>
            {
                _store.Images.Prune(all: false);
                return _store.IngestFiles.Length == 0 && _store.BlobFiles.Length == 0 && _store.Snapshots.Length == 0;
            }, "nothing is left of the failed pull");

        // And afterwards all is well.
        _proxy.Plan = (_, _, _) => null;
        Assert.Equal(_image.Digest, (await Pull()).Digest);
    }

    [Fact]
    public async Task A_connection_that_is_cut_is_taken_up_where_it_stopped()
    {
        _proxy.Plan = (_, path, before) => IsLayer(path) && before < 3 ? new Fault { CutAfter = 150_000 } : null;
        var heard = new Heard();

        await Pull(heard);

        Assert.Equal(4, LayerRequests);
        Assert.Contains(heard.Statuses, s => s.StartsWith("Retrying in", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_cannot_resume_starts_again_and_the_content_is_still_right()
    {
        _proxy.Plan = (_, path, before) => !IsLayer(path) ? null : before == 0 ? new Fault { CutAfter = 200_000 } : new Fault { IgnoreRange = true };

        await Pull();

        Assert.Equal(2, LayerRequests);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(300_000)]
    [InlineData(599_999)]
    public Task A_flipped_bit_in_a_layer_is_caught(long at)
    {
        _proxy.Plan = (_, path, _) => IsLayer(path) ? new Fault { FlipAt = at } : null;
        return PullFailsWith(ImageErrorKind.DigestMismatch);
    }

    [Fact]
    public Task A_flipped_bit_before_a_cut_is_caught_after_resuming()
    {
        _proxy.Plan = (_, path, before) => IsLayer(path) && before == 0 ? new Fault { FlipAt = 1000, CutAfter = 100_000 } : null;
        return PullFailsWith(ImageErrorKind.DigestMismatch);
    }

    [Fact]
    public Task A_flipped_bit_in_the_configuration_is_caught()
    {
        var config = Manifest.Parse(_maker.Blobs[_image.Digest]).Config.Digest.ToString();
        _proxy.Plan = (_, path, _) => path.EndsWith(config, StringComparison.Ordinal) ? new Fault { FlipAt = 30 } : null;
        return PullFailsWith(ImageErrorKind.DigestMismatch);
    }

    [Fact]
    public async Task A_flipped_bit_in_a_manifest_asked_for_by_digest_is_caught()
    {
        _proxy.Plan = (method, path, _) => method == "GET" && path.Contains("/manifests/", StringComparison.Ordinal) ? new Fault { FlipAt = 40 } : null;

        var e = await Assert.ThrowsAsync<ImageException>(() => _store.Images.PullAsync(
            Reference.Parse($"{_proxy.Host}/app@{_image.Digest}"), new PullOptions(), new Heard(), Token));

        Assert.Equal(ImageErrorKind.DigestMismatch, e.Kind);
        _proxy.Plan = (_, _, _) => null;
        var pulled = await _store.Images.PullAsync(Reference.Parse($"{_proxy.Host}/app@{_image.Digest}"), new PullOptions(), new Heard(), Token);
        Assert.Equal([$"{_proxy.Host}/app@{_image.Digest}"], pulled.Image.RepoDigests);
        Assert.Empty(pulled.Image.RepoTags);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task A_server_in_trouble_is_asked_again(int status)
    {
        _proxy.Plan = (_, path, before) => IsLayer(path) && before < 2 ? new Fault { Status = status } : null;

        await Pull();

        Assert.Equal(3, LayerRequests);
    }

    [Fact]
    public async Task A_server_that_stays_in_trouble_is_given_up()
    {
        _proxy.Plan = (_, path, _) => IsLayer(path) ? new Fault { Status = 503 } : null;
        await PullFailsWith(ImageErrorKind.Unavailable);
    }

    [Fact]
    public async Task A_server_that_says_no_is_not_asked_again()
    {
        _proxy.Plan = (_, path, _) => IsLayer(path) ? new Fault { Status = 403 } : null;

        await PullFailsWith(ImageErrorKind.Denied);

        // One refused, one when all was well.
        Assert.Equal(2, LayerRequests);
    }

    [Fact]
    public async Task More_than_was_announced_in_the_manifest_is_refused()
    {
        var manifest = Manifest.Parse(_maker.Blobs[_image.Digest]);
        var lying = _maker.Add((manifest with { Layers = [.. manifest.Layers.Select((l, i) => i == 0 ? l with { Size = l.Size - 7 } : l)] }).ToJson(), MediaTypes.OciManifest);
        await _registry.AddAsync(_maker, lying, "lying", "1");

        var e = await Assert.ThrowsAsync<ImageException>(() => _store.Images.PullAsync(
            Reference.Parse($"{_proxy.Host}/lying:1"), new PullOptions(), new Heard(), Token));

        Assert.Equal(ImageErrorKind.DigestMismatch, e.Kind);
        Assert.Empty(_store.Images.List());
    }

    [Fact]
    public async Task A_length_that_is_a_lie_is_a_broken_transfer_and_is_overcome()
    {
        _proxy.Plan = (_, path, before) => IsLayer(path) && before == 0 ? new Fault { LieBy = 1000, CutAfter = 500_000 } : null;
        Assert.Equal(_image.Digest, (await Pull()).Digest);
    }

    [Fact]
    public async Task Images_of_Docker_Hub_come_from_a_mirror_if_there_is_one()
    {
        await using var store = new TestStore(o => o with { RegistryMirrors = [$"http://{_proxy.Host}"] });
        await _registry.AddAsync(_maker, _image, "library/app", "1");

        var pulled = await store.Images.PullAsync(Reference.Parse("app:1"), new PullOptions(), new Heard(), Token);

        Assert.Equal(["app:1"], pulled.Image.RepoTags);
    }

    [Fact]
    public async Task A_push_that_is_interrupted_is_tried_again()
    {
        await Pull();
        _store.Images.Tag(_image.Digest, Reference.Parse($"{_proxy.Host}/new:1"));
        var puts = 0;
        await using var empty = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(empty.Host) { Plan = (method, path, _) => method == "PUT" && path.Contains("/blobs/", StringComparison.Ordinal) && ++puts % 2 == 1 ? new Fault { Status = 502 } : null };
        _store.Images.Tag(_image.Digest, Reference.Parse($"{proxy.Host}/new:1"));

        var pushed = await _store.Images.PushAsync(Reference.Parse($"{proxy.Host}/new:1"), new PushOptions(), new Heard(), Token);

        Assert.Equal(_image.Digest, pushed.Digest);
    }
}
