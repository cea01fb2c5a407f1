using Cais.Images.Checking;
using Cais.Images.Tests.Registry;
using Cais.Oci.Images;

namespace Cais.Images.Tests.Checking;

/// <summary>Whatever somebody did to the store's files is found, and made good where the truth can still be had.</summary>
[Trait("Tier", "integration")]
public sealed class CheckTests : IAsyncLifetime
{
    private readonly ImageMaker _maker = new();
    private readonly byte[] _plain = new TarMaker().Directory("d/").File("d/a", "first").File("d/b", "second").Symlink("d/l", "a").Hardlink("d/h", "d/a").File(".wh.gone", "").ToArray();
    private TestRegistry _registry = null!;
    private TestStore _store = null!;
    private Descriptor _image = null!;
    private Reference _name = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Descriptor Layer => Manifest.Parse(_maker.Blobs[_image.Digest]).Layers[0];

    public async ValueTask InitializeAsync()
    {
        _registry = await TestRegistry.StartAsync();
        _store = new TestStore();
        _image = _maker.Image([_plain], TarMaker.Gzip);
        await _registry.AddAsync(_maker, _image, "app", "1");
        _name = Reference.Parse($"{_registry.Host}/app:1");
        await _store.Images.PullAsync(_name, new PullOptions(), new Heard(), Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _registry.DisposeAsync();
    }

    private Task<CheckReport> Check(bool repair = false) => _store.Images.CheckAsync(new CheckOptions { Repair = repair }, new Heard(), Token);

    private string FileOf(Digest blob) => Path.Combine(_store.Root, "content/blobs/sha256", blob.Hex);

    private string LayerFile(string path) => Path.Combine(_store.PathOf(Digest.Of(_plain)), path);

    private void Flip(Digest blob)
    {
        var bytes = File.ReadAllBytes(FileOf(blob));
        bytes[bytes.Length / 2] ^= 4;
        File.WriteAllBytes(FileOf(blob), bytes);
    }

    [Fact]
    public async Task A_sound_store_is_called_sound()
    {
        var report = await Check();

        Assert.Empty(report.Damages);
        Assert.True(report.IsSound);
        Assert.Equal((3, 1, 0), (report.Blobs, report.Layers, report.UnverifiableLayers));
    }

    [Theory]
    [InlineData("layer")]
    [InlineData("config")]
    [InlineData("manifest")]
    public async Task A_damaged_blob_is_found_and_fetched_again(string which)
    {
        var manifest = Manifest.Parse(_maker.Blobs[_image.Digest]);
        var blob = which switch { "layer" => manifest.Layers[0].Digest, "config" => manifest.Config.Digest, _ => _image.Digest };
        Flip(blob);

        var found = Assert.Single((await Check()).Damages);
        Assert.Equal((DamageKind.BlobDamaged, blob, false), (found.Kind, found.Digest, found.IsRepaired));
        Assert.Equal([$"{_registry.Host}/app:1"], found.Images);

        var repaired = Assert.Single((await Check(repair: true)).Damages);
        Assert.True(repaired.IsRepaired, repaired.WhyNot);
        Assert.Empty((await Check()).Damages);
        Assert.Equal(_maker.Blobs[blob], File.ReadAllBytes(FileOf(blob)));
        Assert.Equal(_image.Digest, _store.Images.Get(_name.Familiar).Id);
    }

    [Fact]
    public async Task A_missing_blob_is_found_and_fetched_again()
    {
        File.Delete(FileOf(Layer.Digest));

        Assert.Equal(DamageKind.BlobMissing, Assert.Single((await Check()).Damages).Kind);
        Assert.True((await Check(repair: true)).IsSound);
        Assert.Empty((await Check()).Damages);
    }

    [Fact]
    public async Task Where_the_registry_is_gone_the_damage_stays_and_says_why()
    {
        await _registry.DisposeAsync();
        Flip(Layer.Digest);

        var damage = Assert.Single((await Check(repair: true)).Damages);

        Assert.False(damage.IsRepaired);
        Assert.Contains(_registry.Host, damage.WhyNot, StringComparison.Ordinal);

        // The image is no worse off than before.
        Assert.True(_store.Images.Get(_name.Familiar).ContentSize > 0);
        Assert.Equal(DamageKind.BlobDamaged, Assert.Single((await Check()).Damages).Kind);
        _registry = await TestRegistry.StartAsync();
    }

    public static TheoryData<string, string> Tamperings => new()
    {
        { "content", "/d/b has other content" },
        { "more", "/d/b has another length" },
        { "mode", "/d/b has another mode" },
        { "time", "/d/b has another time" },
        { "removed", "/d/b is missing" },
        { "added", "/d/new does not belong there" },
        { "link", "/d/l leads elsewhere" },
        { "kind", "/d/b is of another kind" },
        { "all", "is gone" },
    };

    [Theory]
    [MemberData(nameof(Tamperings))]
    public async Task A_tampered_layer_is_found_and_unpacked_again(string what, string sentence)
    {
        var time = File.GetLastWriteTimeUtc(LayerFile("d/b"));
        var folder = Directory.GetLastWriteTimeUtc(LayerFile("d"));
        switch (what)
        {
            case "content":
                File.WriteAllText(LayerFile("d/b"), "sEcond");
                await Touch("d/b");
                break;
            case "more":
                File.AppendAllText(LayerFile("d/b"), "!");
                break;
            case "mode":
                File.SetUnixFileMode(LayerFile("d/b"), UnixFileMode.UserRead);
                break;
            case "time":
                File.SetLastWriteTimeUtc(LayerFile("d/b"), time.AddSeconds(1));
                break;
            case "removed":
                File.Delete(LayerFile("d/b"));
                break;
            case "added":
                File.WriteAllText(LayerFile("d/new"), "");
                break;
            case "link":
                File.Delete(LayerFile("d/l"));
                File.CreateSymbolicLink(LayerFile("d/l"), "b");
                await Touch("d/l");
                break;
            case "kind":
                File.Delete(LayerFile("d/b"));
                Directory.CreateDirectory(LayerFile("d/b"));
                break;
            default:
                Directory.Delete(Path.GetDirectoryName(LayerFile(""))!.TrimEnd('/'), recursive: true);
                break;
        }

        if (what != "all")
        {
            Directory.SetLastWriteTimeUtc(LayerFile("d"), folder);
        }

        var found = Assert.Single((await Check()).Damages);
        Assert.Equal((DamageKind.LayerDamaged, Digest.Of(_plain)), (found.Kind, found.Digest));
        Assert.Equal(sentence, found.Description);
        Assert.True((await Check(repair: true)).IsSound);
        Assert.Empty((await Check()).Damages);
        Assert.Equal("second", File.ReadAllText(LayerFile("d/b")));
    }

    /// <summary>Sets the time that the archive says, to the nanosecond.</summary>
    private async Task Touch(string path)
    {
        using var touch = System.Diagnostics.Process.Start("touch", ["-h", "-d", "@1700000000.123456789", LayerFile(path)]);
        await touch.WaitForExitAsync(Token);
    }

    [Fact]
    public async Task A_layer_below_a_running_container_is_not_exchanged()
    {
        File.Delete(LayerFile("d/b"));
        _store.Uses.Add(new ContainerUse("0123456789abcdef", IsRunning: true));

        var damage = Assert.Single((await Check(repair: true)).Damages);

        Assert.False(damage.IsRepaired);
        Assert.Contains("0123456789ab is running on it", damage.WhyNot, StringComparison.Ordinal);
        _store.Uses.Clear();
        Assert.True((await Check(repair: true)).IsSound);
    }

    [Fact]
    public async Task Layer_and_blob_damaged_both_are_repaired_in_one_go()
    {
        File.Delete(LayerFile("d/b"));
        Flip(Layer.Digest);

        var report = await Check(repair: true);

        Assert.Equal(2, report.Damages.Count);
        Assert.True(report.IsSound);
        Assert.Equal("second", File.ReadAllText(LayerFile("d/b")));
    }
}
