using System.Text;
using Cais.Images.Tar;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Images.Tests;

[Trait("Tier", "integration")]
public sealed class CommitTests : IAsyncLifetime
{
    private readonly TestStore _store = new();
    private RootfsMount _mount = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var maker = new ImageMaker();
        var image = maker.Image(
            [
                new TarMaker().Directory("etc/").File("etc/a", "a").File("etc/b", "b").Directory("old/").File("old/x").File("top").ToArray(),
                new TarMaker().Directory("etc/").File("etc/.wh.b", "").ToArray(),
            ], TarMaker.Gzip, config: new ImageConfig { Config = new ContainerDefaults { Env = ["A=1"] }, History = [new HistoryEntry { CreatedBy = "base" }, new HistoryEntry { CreatedBy = "two" }] });
        await _store.Images.LoadAsync(new MemoryStream(maker.OciArchive((image, "base:1"))), new Heard(), Token);
        _mount = await _store.Images.Snapshots.PrepareAsync("c1", _store.Images.Get("base:1"), Token);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static byte[] Z(string path) => Encoding.UTF8.GetBytes(path + "\0");

    /// <summary>What a container would have left in its upper layer.</summary>
    private void Change()
    {
        var upper = _mount.UpperDir;
        Directory.CreateDirectory(Path.Combine(upper, "etc"));
        File.WriteAllText(Path.Combine(upper, "etc/a"), "changed");
        File.WriteAllText(Path.Combine(upper, "etc/b"), "again");
        File.WriteAllText(Path.Combine(upper, "etc/new"), "new");
        FileAt.MakeHardLink(FileAt.CurrentDirectory, Z(upper + "/etc/new"), FileAt.CurrentDirectory, Z(upper + "/linked"));
        FileAt.MakeNode(FileAt.CurrentDirectory, Z(upper + "/top"), FileKind.CharacterDevice, 0);
        Directory.CreateDirectory(Path.Combine(upper, "old"));
        FileAt.SetAttribute(FileAt.CurrentDirectory, Z(upper + "/old"), "trusted.overlay.opaque\0"u8, "y"u8);
        File.WriteAllText(Path.Combine(upper, "old/y"), "y");
    }

    [Fact]
    public void Changes_are_listed_as_docker_diff_does()
    {
        Change();

        Assert.Equal(
            [
                new FileChange("/etc", ChangeKind.Modified), new FileChange("/etc/a", ChangeKind.Modified), new FileChange("/etc/b", ChangeKind.Added),
                new FileChange("/etc/new", ChangeKind.Added), new FileChange("/linked", ChangeKind.Added), new FileChange("/old", ChangeKind.Modified),
                new FileChange("/old/y", ChangeKind.Added), new FileChange("/top", ChangeKind.Deleted),
            ], _store.Images.Snapshots.Changes("c1"));
    }

    [Fact]
    public async Task A_committed_container_becomes_an_image_with_one_more_layer()
    {
        Change();

        var record = await _store.Images.CommitAsync("c1", new CommitOptions { Name = Reference.Parse("new"), Author = "me", Message = "why", CreatedBy = "sh" }, Token);

        Assert.Equal(["new:latest"], record.RepoTags);
        Assert.Equal(3, record.Config.RootFs.DiffIds.Count);
        Assert.Equal(["base", "two", "sh"], record.Config.History!.Select(h => h.CreatedBy));
        Assert.Equal(["A=1"], record.Config.Config!.Env);
        Assert.Equal("why", record.Config.Comment);
        var layer = _store.PathOf(record.Config.RootFs.DiffIds[2]);
        Assert.Equal("changed", await File.ReadAllTextAsync(Path.Combine(layer, "etc/a"), Token));
        FileAt.Status(FileAt.CurrentDirectory, Z(layer + "/top"), out var top);
        Assert.True(top.IsWhiteout);
        FileAt.Status(FileAt.CurrentDirectory, Z(layer + "/linked"), out var linked);
        Assert.Equal(2u, linked.Links);
        using var tar = new TarReader(_store.Images.Content.Open(record.Manifest.Layers[2].Digest));
        var names = new List<string>();
        while (tar.Read())
        {
            names.Add(tar.Entry.DisplayName);
        }

        Assert.Equal(["etc/", "etc/a", "etc/b", "etc/new", "linked", "old/", "old/.wh..wh..opq", "old/y", ".wh.top"], names);
    }

    [Fact]
    public async Task Paths_of_a_root_file_system_are_resolved_within_it()
    {
        var root = _mount.ImageDirs[1];
        File.CreateSymbolicLink(Path.Combine(root, "out"), "/../../etc");
        File.CreateSymbolicLink(Path.Combine(root, "link"), "etc/a");

        Assert.Equal(FileKind.SymbolicLink, RootfsArchive.Stat(root, "/link").Kind);
        Assert.Equal("/etc/a", RootfsArchive.Stat(root, "/link").LinkTarget);
        Assert.Equal(1, RootfsArchive.Stat(root, "/out/a").Size);
        Assert.Equal(FileKind.Directory, RootfsArchive.Stat(root, "/../../out/").Kind);
        Assert.Equal(ImageErrorKind.NotFound, Assert.Throws<ImageException>(() => RootfsArchive.Stat(root, "/out/passwd")).Kind);

        var copy = new MemoryStream();
        await RootfsArchive.GetAsync(root, "/out/.", copy, null, Token);
        copy.Position = 0;
        using var tar = new TarReader(copy);
        Assert.True(tar.Read());
        Assert.Equal("./", tar.Entry.DisplayName);
        Assert.True(tar.Read());
        Assert.Equal("./a", tar.Entry.DisplayName);
    }

    [Fact]
    public async Task An_archive_is_unpacked_into_a_directory_and_links_lead_nowhere_else()
    {
        var root = _mount.UpperDir;
        Directory.CreateDirectory(Path.Combine(root, "dir/sub"));
        Directory.CreateDirectory(Path.Combine(root, "target"));
        File.WriteAllText(Path.Combine(root, "dir/file"), "old");
        File.CreateSymbolicLink(Path.Combine(root, "dir/abs"), "/target");

        await RootfsArchive.PutAsync(root, "/dir", new MemoryStream(TarMaker.Gzip(new TarMaker().File("file", "new").File("abs/in", "x").File(".wh.kept", "k").ToArray())), false, (7, 8), null, Token);

        Assert.Equal("new", await File.ReadAllTextAsync(Path.Combine(root, "dir/file"), Token));
        Assert.True(File.Exists(Path.Combine(root, "target/in")));
        Assert.True(File.Exists(Path.Combine(root, "dir/.wh.kept")));
        FileAt.Status(FileAt.CurrentDirectory, Z(root + "/dir/file"), out var status);
        Assert.Equal((7u, 8u), (status.Uid, status.Gid));
        var kinds = await Assert.ThrowsAsync<ImageException>(() => RootfsArchive.PutAsync(root, "dir/", new MemoryStream(new TarMaker().File("sub").ToArray()), true, null, null, Token));
        Assert.Contains("cannot overwrite directory", kinds.Message, StringComparison.Ordinal);
        Assert.Equal(ImageErrorKind.NotFound, (await Assert.ThrowsAsync<ImageException>(() => RootfsArchive.PutAsync(root, "/none", new MemoryStream(), false, null, null, Token))).Kind);
        Assert.Equal(
            ImageErrorKind.InvalidArgument,
            (await Assert.ThrowsAsync<ImageException>(() => RootfsArchive.PutAsync(root, "/dir", new MemoryStream(new TarMaker().File("../../../x").ToArray()), false, null, null, Token))).Kind);
    }
}
