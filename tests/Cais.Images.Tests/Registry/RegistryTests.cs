using Cais.Oci.Images;

namespace Cais.Images.Tests.Registry;

[Trait("Tier", "integration")]
public sealed class RegistryTests
{
    /// <summary>bcrypt of "secret".</summary>
    private const string SecretHash = "$2b$04$Ra42J6A02tcQXLqC/h7RreSXKmwOwCK8Udx8Qnm6qOwZJUHrL4IS.";

    private static readonly PullOptions Here = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static byte[] Layer(string name, int size = 10) => new TarMaker().Directory("d/").File("d/" + name, Noise(name, size)).ToArray();

    private static byte[] Noise(string seed, int size)
    {
        var bytes = new byte[size];
        new Random(seed.Sum(c => c)).NextBytes(bytes);
        return bytes;
    }

    private static Reference Name(string host, string rest = "app:1") => Reference.Parse($"{host}/{rest}");

    [Theory]
    [InlineData("none")]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task An_image_is_pulled_verified_and_unpacked(string compression)
    {
        await using var registry = await TestRegistry.StartAsync();
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var layers = new[] { Layer("a", 300_000), Layer("b", 100_000), Layer("c") };
        var image = maker.Image(layers, compression switch { "gzip" => TarMaker.Gzip, "zstd" => TarMaker.Zstd, _ => null });
        await registry.AddAsync(maker, image, "app", "1");
        var heard = new Heard();

        var result = await store.Images.PullAsync(Name(registry.Host), Here, heard, Token);

        Assert.True(result.Changed);
        Assert.Equal(image.Digest, result.Digest);
        Assert.Equal(image.Digest, store.Images.Get($"{registry.Host}/app:1").Id);
        Assert.Equal(Noise("a", 300_000), File.ReadAllBytes(Path.Combine(store.PathOf(Digest.Of(layers[0])), "d/a")));
        Assert.Equal("Pulling from app", heard.All[0].Status);
        Assert.Equal("1", heard.All[0].Id);
        Assert.Equal(3, heard.Statuses.Count(s => s == "Pulling fs layer"));
        Assert.Equal(3, heard.Statuses.Count(s => s == "Pull complete"));
        Assert.Equal([$"Digest: {image.Digest}", $"Status: Downloaded newer image for {registry.Host}/app:1"], heard.Statuses.TakeLast(2));
        Assert.Empty(store.IngestFiles);

        var again = new Heard();
        Assert.False((await store.Images.PullAsync(Name(registry.Host), Here, again, Token)).Changed);
        Assert.Equal($"Status: Image is up to date for {registry.Host}/app:1", again.All[^1].Status);
    }

    [Fact]
    public async Task Of_an_index_only_the_platform_asked_for_is_fetched_unless_all_are()
    {
        await using var registry = await TestRegistry.StartAsync();
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var here = maker.Image([Layer("a")], TarMaker.Gzip);
        var there = maker.Image([Layer("b")], TarMaker.Gzip, Platform.Parse("linux/s390x"));
        var index = maker.IndexOf(there, here);
        await registry.AddAsync(maker, index, "multi", "1");
        var name = Name(registry.Host, "multi:1");

        await store.Images.PullAsync(name, Here, new Heard(), Token);
        Assert.Equal([false, true], store.Images.Manifests(index.Digest).Select(m => m.IsAvailable));

        await store.Images.PullAsync(name, new PullOptions { Platform = Platform.Parse("linux/s390x") }, new Heard(), Token);
        Assert.Equal([true, true], store.Images.Manifests(index.Digest).Select(m => m.IsAvailable));
        Assert.Equal(index.Digest, store.Images.Get(name.Familiar).Id);

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.PullAsync(name, new PullOptions { Platform = Platform.Parse("linux/mips64le") }, new Heard(), Token));
        Assert.Contains("no matching manifest for linux/mips64le in the manifest list entries", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_platforms_are_fetched_when_asked_for_and_pushed_as_one()
    {
        await using var registry = await TestRegistry.StartAsync();
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var index = maker.IndexOf(maker.Image([Layer("a")], TarMaker.Gzip), maker.Image([Layer("b")], TarMaker.Zstd, Platform.Parse("linux/s390x")));
        await registry.AddAsync(maker, index, "multi", "1");

        await store.Images.PullAsync(Name(registry.Host, "multi:1"), new PullOptions { AllPlatforms = true }, new Heard(), Token);
        store.Images.Tag(index.Digest, Name(registry.Host, "copy:2"));
        var heard = new Heard();
        var pushed = await store.Images.PushAsync(Name(registry.Host, "copy:2"), new PushOptions(), heard, Token);

        Assert.Equal(index.Digest, pushed.Digest);
        Assert.Equal(2, heard.Statuses.Count(s => s == "Mounted from multi"));
        Assert.Equal($"2: digest: {index.Digest} size: {index.Size}", heard.All[^1].Status);
        await using var other = new TestStore();
        Assert.Equal(index.Digest, (await other.Images.PullAsync(Name(registry.Host, "copy:2"), Here, new Heard(), Token)).Digest);
    }

    [Fact]
    public async Task A_pushed_image_is_pulled_elsewhere_with_the_same_digest_and_pushing_again_sends_nothing()
    {
        await using var registry = await TestRegistry.StartAsync();
        await using var store = new TestStore();
        await using var other = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a", 500_000), Layer("b")], TarMaker.Gzip);
        await store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, $"{registry.Host}/x/app:1"))), new Heard(), Token);
        var (first, second) = (new Heard(), new Heard());

        var pushed = await store.Images.PushAsync(Name(registry.Host, "x/app:1"), new PushOptions(), first, Token);
        await store.Images.PushAsync(Name(registry.Host, "x/app:1"), new PushOptions(), second, Token);
        var pulled = await other.Images.PullAsync(Name(registry.Host, "x/app:1"), Here, new Heard(), Token);

        Assert.Equal(image.Digest, pushed.Digest);
        Assert.Equal(image.Digest, pulled.Digest);
        Assert.Equal(2, first.Statuses.Count(s => s == "Pushed"));
        Assert.Equal(2, second.Statuses.Count(s => s == "Layer already exists"));
        Assert.Equal($"The push refers to repository [{registry.Host}/x/app]", first.All[0].Status);
    }

    [Fact]
    public async Task A_name_the_registry_does_not_know_gets_Dockers_sentence()
    {
        await using var registry = await TestRegistry.StartAsync();
        await using var store = new TestStore();

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.PullAsync(Name(registry.Host, "none:9"), Here, new Heard(), Token));

        Assert.Equal(ImageErrorKind.NotFound, e.Kind);
        Assert.Equal($"manifest for {registry.Host}/none:9 not found: manifest unknown: manifest unknown", e.Message);
        Assert.Empty(store.BlobFiles);
    }

    [Fact]
    public async Task A_registry_that_is_not_there_says_so()
    {
        await using var store = new TestStore();
        var host = $"127.0.0.1:{TestRegistry.FreePort()}";

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.PullAsync(Name(host), Here, new Heard(), Token));

        Assert.Equal(ImageErrorKind.Unavailable, e.Kind);
        Assert.Contains("Connection refused", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pushing_what_is_not_here_says_so()
    {
        await using var store = new TestStore();

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.PushAsync(Reference.Parse("localhost:1/none:2"), new PushOptions(), new Heard(), Token));

        Assert.Equal("An image does not exist locally with the tag: localhost:1/none", e.Message);
    }

    [Fact]
    public async Task A_registry_with_a_password_wants_the_right_one()
    {
        await using var registry = await TestRegistry.WithPasswordAsync("user", SecretHash);
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a")], TarMaker.Gzip);
        await store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, $"{registry.Host}/app:1"))), new Heard(), Token);
        var right = new RegistryCredentials { Username = "user", Password = "secret" };
        var wrong = right with { Password = "guess" };

        await Assert.ThrowsAsync<ImageException>(() => store.Images.PushAsync(Name(registry.Host), new PushOptions { Credentials = wrong }, new Heard(), Token));
        await store.Images.PushAsync(Name(registry.Host), new PushOptions { Credentials = right }, new Heard(), Token);
        var none = await Assert.ThrowsAsync<ImageException>(() => store.Images.PullAsync(Name(registry.Host), Here, new Heard(), Token));
        var bad = await Assert.ThrowsAsync<ImageException>(() => store.Images.PullAsync(Name(registry.Host), new PullOptions { Credentials = wrong }, new Heard(), Token));
        var pulled = await store.Images.PullAsync(Name(registry.Host), new PullOptions { Credentials = right }, new Heard(), Token);

        Assert.Equal(ImageErrorKind.Unauthorized, none.Kind);
        Assert.Contains("no basic auth credentials", none.Message, StringComparison.Ordinal);
        Assert.Equal(ImageErrorKind.Unauthorized, bad.Kind);
        Assert.Equal(image.Digest, pulled.Digest);
    }

    [Fact]
    public async Task Two_pulls_of_the_same_layers_at_once_fetch_each_once()
    {
        await using var registry = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(registry.Host);
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var shared = Layer("shared", 2_000_000);
        var one = maker.Image([shared, Layer("a")], TarMaker.Gzip);
        var two = maker.Image([shared, Layer("b")], TarMaker.Gzip);
        await registry.AddAsync(maker, one, "one", "1");
        await registry.AddAsync(maker, two, "two", "1");
        var blob = Manifest.Parse(maker.Blobs[one.Digest]).Layers[0].Digest;
        var (first, second) = (new Heard(), new Heard());

        await Task.WhenAll(
            store.Images.PullAsync(Name(proxy.Host, "one:1"), Here, first, Token),
            store.Images.PullAsync(Name(proxy.Host, "two:1"), Here, second, Token));

        Assert.Equal(1, proxy.Requests.Count(r => r.EndsWith(blob.ToString(), StringComparison.Ordinal)));
        Assert.Equal(2, store.Images.List().Count);
        Assert.Equal(3, store.Snapshots.Length);
        Assert.All([first, second], h => Assert.Contains(h.Statuses, s => s is "Pull complete" or "Already exists"));
    }

    [Fact]
    public async Task When_one_of_two_pulls_is_cancelled_the_other_goes_on()
    {
        await using var registry = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(registry.Host);
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a", 1_000_000)], TarMaker.Gzip);
        await registry.AddAsync(maker, image, "app", "1");
        var blob = Manifest.Parse(maker.Blobs[image.Digest]).Layers[0].Digest;
        var reached = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        proxy.Plan = (method, path, _) =>
        {
            if (method == "GET" && path.EndsWith(blob.ToString(), StringComparison.Ordinal))
            {
                reached.TrySetResult();
                go.Task.Wait();
            }

            return null;
        };
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var first = store.Images.PullAsync(Name(proxy.Host), Here, new Heard(), cancel.Token);
        await reached.Task;
        var heard = new Heard();
        var second = store.Images.PullAsync(Name(proxy.Host), Here, heard, Token);
        await Cais.Testing.Eventually.Holds(() => heard.Statuses.Contains("Pulling fs layer"), "the second pull waits for the layer");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        go.SetResult();

        Assert.Equal(image.Digest, (await second).Digest);
        Assert.InRange(proxy.Requests.Count(r => r.StartsWith("GET", StringComparison.Ordinal) && r.EndsWith(blob.ToString(), StringComparison.Ordinal)), 1, 2);
    }

    [Fact]
    public async Task A_cancelled_pull_leaves_nothing()
    {
        await using var registry = await TestRegistry.StartAsync();
        using var proxy = new FaultProxy(registry.Host);
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a", 1_000_000), Layer("b", 1_000_000)], TarMaker.Gzip);
        await registry.AddAsync(maker, image, "app", "1");
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        proxy.Plan = (method, path, _) =>
        {
            if (method == "GET" && path.Contains("/blobs/", StringComparison.Ordinal) && proxy.Requests.Count > 4)
            {
                cancel.Cancel();
            }

            return null;
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.Images.PullAsync(Name(proxy.Host), Here, new Heard(), cancel.Token));
        proxy.Plan = (_, _, _) => null;

        Assert.Empty(store.Images.List());
        await Cais.Testing.Eventually.Holds(() => store.IngestFiles.Length == 0, "transfers have stopped");
        await store.Images.PullAsync(Name(proxy.Host), Here, new Heard(), Token);
    }
}
