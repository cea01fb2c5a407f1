using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Tests;

[Trait("Tier", "integration")]
public sealed class StoreTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static byte[] Layer(string name) => new TarMaker().Directory("d/").File("d/" + name, name).ToArray();

    private static async Task<Descriptor> Load(TestStore store, string name, params string[] layers)
    {
        var maker = new ImageMaker();
        var image = maker.Image([.. layers.Select(Layer)], TarMaker.Gzip);
        await store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, name))), new Heard(), Token);
        return image;
    }

    [Fact]
    public async Task An_image_is_found_by_name_by_digest_and_by_the_start_of_its_ID()
    {
        await using var store = new TestStore();
        var image = await Load(store, "docker.io/library/app:latest", "a");
        var hex = image.Digest.Hex;

        foreach (var text in new[] { "app", "app:latest", "library/app", "docker.io/library/app:latest", $"app@{image.Digest}", image.Digest.ToString(), hex, hex[..12], hex[..4], "sha256:" + hex[..10] })
        {
            Assert.Equal(image.Digest, store.Images.Resolve(text)?.Id);
        }

        foreach (var text in new[] { "app:2", "other", $"other@{image.Digest}", hex[..3], new string('0', 64) })
        {
            Assert.Null(store.Images.Resolve(text));
        }

        Assert.Equal("No such image: other:latest", Assert.Throws<ImageException>(() => store.Images.Get("other")).Message);
        Assert.Equal(ImageErrorKind.InvalidArgument, Assert.Throws<ImageException>(() => store.Images.Resolve("Not A Name")).Kind);
    }

    [Fact]
    public async Task A_name_that_looks_like_an_ID_is_a_name_first()
    {
        await using var store = new TestStore();
        var image = await Load(store, "app:1", "a");
        var other = await Load(store, "other:1", "b");
        store.Images.Tag(other.Digest, Reference.Parse(image.Digest.Hex[..6]));

        Assert.Equal(other.Digest, store.Images.Get(image.Digest.Hex[..6]).Id);
    }

    [Fact]
    public async Task A_name_given_to_another_image_leaves_the_first_without_until_it_is_pruned()
    {
        await using var store = new TestStore();
        var first = await Load(store, "app:1", "a");
        var second = await Load(store, "app:1", "b");

        Assert.Equal(second.Digest, store.Images.Get("app:1").Id);
        Assert.Empty(store.Images.Get(first.Digest.ToString()).RepoTags);
        var pruned = store.Images.Prune(all: false);

        Assert.Equal([new RemovedItem(null, first.Digest.ToString())], pruned.Removed);
        Assert.True(pruned.SpaceReclaimed > 0);
        Assert.Equal(3, store.BlobFiles.Length);
        Assert.Single(store.Snapshots);
    }

    [Fact]
    public async Task Removing_the_last_name_removes_what_no_other_image_needs()
    {
        await using var store = new TestStore();
        var one = await Load(store, "one:1", "shared", "a");
        await Load(store, "two:1", "shared", "b");
        store.Images.Tag(one.Digest, Reference.Parse("alias"));

        Assert.Equal([new RemovedItem("one:1", null)], store.Images.Remove("one:1"));
        Assert.Equal(3, store.Snapshots.Length);
        Assert.Equal([new RemovedItem("alias:latest", null), new RemovedItem(null, one.Digest.ToString())], store.Images.Remove("alias"));

        Assert.Equal(2, store.Snapshots.Length);
        Assert.Equal(4, store.BlobFiles.Length);
        Assert.NotNull(store.Images.Resolve("two:1"));
        store.Images.Remove("two:1");
        Assert.Empty(store.BlobFiles);
        Assert.Empty(store.Snapshots);
    }

    [Fact]
    public async Task Removing_by_ID_asks_to_be_forced_where_Docker_does()
    {
        await using var store = new TestStore();
        var image = await Load(store, "app:1", "a");
        var id = image.Digest.ToString();
        store.Images.Tag(image.Digest, Reference.Parse("alias:2"));

        Assert.Equal(
            $"conflict: unable to delete {id} (must be forced) - image is referenced in multiple repositories",
            Assert.Throws<ImageException>(() => store.Images.Remove(id)).Message);
        store.Uses.Add(new ContainerUse("0123456789abcdef", IsRunning: true));
        Assert.Equal(
            $"conflict: unable to delete {id} (cannot be forced) - image is being used by running container 0123456789ab",
            Assert.Throws<ImageException>(() => store.Images.Remove(id, force: true)).Message);
        store.Uses.Clear();
        Assert.Equal(3, store.Images.Remove(id, force: true).Count);
        Assert.Empty(store.BlobFiles);
    }

    [Fact]
    public async Task What_a_container_stands_on_stays_however_the_image_is_removed()
    {
        await using var store = new TestStore();
        var image = await Load(store, "app:1", "a");
        var mount = await store.Images.Snapshots.PrepareAsync("c1", store.Images.Get("app:1"), Token);
        store.Uses.Add(new ContainerUse("c1", IsRunning: false));

        Assert.Equal(
            $"conflict: unable to delete app:1 (must be forced) - container c1 is using its referenced image {image.Digest.Short}",
            Assert.Throws<ImageException>(() => store.Images.Remove("app:1")).Message);
        Assert.Equal([new RemovedItem("app:1", null)], store.Images.Remove("app:1", force: true));
        store.Images.Remove(image.Digest.ToString(), force: true);
        Assert.Empty(store.Images.List());
        Assert.True(File.Exists(Path.Combine(mount.ImageDirs[0], "d/a")));
        Assert.Equal(mount.LowerDirs, store.Images.Snapshots.Find("c1")!.LowerDirs);

        await store.Images.Snapshots.RemoveAsync("c1", Token);
        Assert.Empty(store.Snapshots);
        Assert.Empty(store.BlobFiles);
    }

    [Fact]
    public async Task A_container_gets_the_same_root_file_system_again_and_its_upper_layer_looks_like_the_images_root()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([new TarMaker().Directory("./", 0x3FF).File("a").ToArray(), Layer("b")]);
        await store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, "app:1"))), new Heard(), Token);

        var mount = await store.Images.Snapshots.PrepareAsync("c1", store.Images.Get("app:1"), Token);
        File.WriteAllText(Path.Combine(mount.UpperDir, "mine"), new string('x', 10_000));
        await store.Reopen();
        var again = await store.Images.Snapshots.PrepareAsync("c1", store.Images.Get("app:1"), Token);

        Assert.Equal(mount.UpperDir, again.UpperDir);
        Assert.Equal(2, again.ImageDirs.Count);
        Assert.True(File.Exists(Path.Combine(again.ImageDirs[0], "d/b")));
        Assert.True(File.Exists(Path.Combine(again.UpperDir, "mine")));
        Assert.InRange(store.Images.Snapshots.Usage("c1"), 10_000, 100_000);
    }

    [Fact]
    public async Task What_a_crash_left_is_collected_at_the_next_start()
    {
        await using var store = new TestStore();
        await Load(store, "app:1", "a");
        var (blobs, snapshots) = (store.BlobFiles.Length, store.Snapshots.Length);
        File.WriteAllText(Path.Combine(store.Root, "content/ingest/half"), "x");
        File.WriteAllText(Path.Combine(store.Root, "content/blobs/sha256", new string('a', 64)), "no row");
        Directory.CreateDirectory(Path.Combine(store.Root, "snapshots/tmp-1/fs/x"));
        Directory.CreateDirectory(Path.Combine(store.Root, "snapshots", new string('b', 64), "fs"));
        Directory.CreateDirectory(Path.Combine(store.Root, "snapshots/container-gone/fs"));
        Directory.CreateDirectory(Path.Combine(store.Root, "snapshots/trash-1/fs"));

        await store.Reopen();

        Assert.Equal(blobs, store.BlobFiles.Length);
        Assert.Equal(snapshots, store.Snapshots.Length);
        Assert.Empty(store.IngestFiles);
        await Cais.Testing.Eventually.Holds(() => Directory.GetDirectories(Path.Combine(store.Root, "snapshots"), "trash-*").Length == 0, "trash is emptied");
        Assert.NotNull(store.Images.Resolve("app:1"));
    }

    [Fact]
    public async Task Blobs_of_a_pull_that_never_finished_are_collected_with_the_next_garbage()
    {
        await using var store = new TestStore();
        await Load(store, "app:1", "a");
        var orphan = store.Images.Content.Add("orphan"u8);

        store.Images.Prune(all: false);

        Assert.False(File.Exists(store.Images.Content.PathOf(orphan)));
        Assert.NotNull(store.Images.Resolve("app:1"));
    }

    [Fact]
    public async Task After_a_power_failure_layers_that_were_not_synced_unpack_again()
    {
        await using var store = new TestStore();
        await Load(store, "app:1", "a");
        await store.Images.Snapshots.PrepareAsync("c1", store.Images.Get("app:1"), Token);
        store.Database.Write(c => c.Execute("UPDATE images_layer SET boot = 'an earlier one'"));
        File.Delete(Path.Combine(store.Images.Snapshots.Find("c1")!.ImageDirs[0], "d/a"));

        await store.Reopen();
        Assert.Equal(["container-c1"], store.Snapshots.Where(s => !s.StartsWith("init-", StringComparison.Ordinal)));
        var mount = await store.Images.Snapshots.PrepareAsync("c1", store.Images.Get("app:1"), Token);

        Assert.True(File.Exists(Path.Combine(mount.ImageDirs[0], "d/a")));
    }

    [Fact]
    public async Task Layers_that_were_synced_survive_a_power_failure()
    {
        await using var store = new TestStore();
        await Load(store, "app:1", "a");
        store.Images.Layers.SyncNow();
        store.Database.Write(c => c.Execute("UPDATE images_layer SET boot = 'an earlier one'"));

        await store.Reopen();

        Assert.Single(store.Snapshots);
    }

    [Fact]
    public async Task Loads_and_removals_at_the_same_time_never_leave_an_image_without_content()
    {
        await using var store = new TestStore();
        var maker = new ImageMaker();
        var image = maker.Image([Layer("a"), Layer("b")], TarMaker.Gzip);
        var archive = maker.OciArchive((image, "app:1"));
        var loads = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++)
            {
                await store.Images.LoadAsync(new MemoryStream(archive), new Heard(), Token);
            }
        }, Token)).ToList();
        var removals = Task.Run(() =>
        {
            while (loads.Any(l => !l.IsCompleted))
            {
                try
                {
                    store.Images.Remove("app:1");
                }
                catch (ImageException e) when (e.Kind == ImageErrorKind.NotFound)
                {
                }
            }
        }, Token);

        await Task.WhenAll(loads);
        await removals;
        await store.Images.LoadAsync(new MemoryStream(archive), new Heard(), Token);

        var mount = await store.Images.Snapshots.PrepareAsync("c", store.Images.Get("app:1"), Token);
        Assert.True(File.Exists(Path.Combine(mount.ImageDirs[1], "d/a")));
        Assert.Equal(maker.Blobs.Count, store.BlobFiles.Length);
        Assert.All(maker.Blobs.Keys, d => Assert.True(File.Exists(store.Images.Content.PathOf(d))));
    }

    [Fact]
    public async Task An_imported_archive_becomes_an_image_of_one_layer()
    {
        await using var store = new TestStore();
        var tar = Layer("a");

        var record = await store.Images.ImportAsync(
            new MemoryStream(TarMaker.Gzip(tar)),
            new ImportOptions { Name = Reference.Parse("imported"), Message = "hello", Config = new ContainerDefaults { Cmd = ["/bin/sh"] } }, Token);

        Assert.Equal(["imported:latest"], record.RepoTags);
        Assert.Equal([Digest.Of(tar)], record.Config.RootFs.DiffIds);
        Assert.Equal(["/bin/sh"], record.Config.Config!.Cmd);
        Assert.Equal("hello", record.Config.Comment);
        Assert.Equal(MediaTypes.OciLayerGzip, record.Manifest.Layers[0].MediaType);
        Assert.True(File.Exists(Path.Combine(store.PathOf(Digest.Of(tar)), "d/a")));
    }

    [Theory]
    [InlineData("this is no archive, and longer than that it need not be")]
    public async Task Importing_what_is_no_archive_is_refused_and_leaves_nothing(string content)
    {
        await using var store = new TestStore();

        var e = await Assert.ThrowsAsync<ImageException>(() => store.Images.ImportAsync(
            new MemoryStream(System.Text.Encoding.UTF8.GetBytes(content.PadRight(2000))), new ImportOptions(), Token));

        Assert.Equal(ImageErrorKind.InvalidArgument, e.Kind);
        Assert.Empty(store.BlobFiles);
        Assert.Empty(store.IngestFiles);
        Assert.Empty(store.Snapshots);
    }
}
