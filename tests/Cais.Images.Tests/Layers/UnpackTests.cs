using System.Diagnostics;
using System.Text;
using Cais.Images.Layers;
using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Tests.Layers;

[Trait("Tier", "integration")]
public sealed class UnpackTests : IDisposable
{
    private readonly string _outside = Directory.CreateTempSubdirectory("cais-unpack-").FullName;

    private string Root => Path.Combine(_outside, "root");

    public UnpackTests()
    {
        Directory.CreateDirectory(Root);
        File.WriteAllText(Path.Combine(_outside, "secret"), "untouched");
    }

    public void Dispose() => Trees.Remove(_outside);

    private Task<bool> Unpack(TarMaker maker) => Unpack(maker.ToArray());

    private Task<bool> Unpack(byte[] archive) => OwnThread.Run("test", () =>
    {
        using var root = new FileDescriptor(FileAt.Open(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(Root + "\0"), FileAt.ReadOnly | FileAt.DirectoryOnly));
        using var tar = new TarReader(new MemoryStream(archive));
        using var unpacker = new LayerUnpacker(root.Number);
        unpacker.Apply(tar, TestContext.Current.CancellationToken);
        return true;
    });

    private FileStatus Status(string path)
    {
        Assert.Equal(0, FileAt.Status(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(Path.Combine(Root, path) + "\0"), out var status));
        return status;
    }

    private byte[]? Attribute(string path, string name)
    {
        var buffer = new byte[256];
        var length = FileAt.GetAttribute(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(Path.Combine(Root, path) + "\0"), Encoding.UTF8.GetBytes(name + "\0"), buffer);
        return length < 0 ? null : buffer[..length];
    }

    [Fact]
    public async Task Everything_a_file_has_is_kept()
    {
        byte[] capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        await Unpack(new TarMaker()
            .Directory("d/", 0x3FF)
            .File("d/f", "content", 0x9ED, 1234, 5678, ("security.capability", capability), ("user.x", [0, 1, 2]))
            .File("d/open", "x", 0x1FF)
            .Hardlink("h", "d/f")
            .Symlink("s", "/etc/passwd")
            .Node(TarEntryKind.CharacterDevice, "null", 1, 3)
            .Node(TarEntryKind.BlockDevice, "disk", 259, 70_000)
            .Node(TarEntryKind.Fifo, "pipe"));

        var file = Status("d/f");
        Assert.Equal((0x9EDu, 1234u, 5678u, 2u), (file.Permissions, file.Uid, file.Gid, file.Links));
        Assert.Equal(new TimeSpec(1_700_000_000, 123_456_789), file.Modified);
        Assert.Equal(capability, Attribute("d/f", "security.capability"));
        Assert.Equal([0, 1, 2], Attribute("d/f", "user.x"));
        Assert.Equal(0x1FFu, Status("d/open").Permissions);
        Assert.Equal(0x3FFu, Status("d").Permissions);
        Assert.Equal(new TimeSpec(1_700_000_000, 123_456_789), Status("d").Modified);
        Assert.Equal(file.Inode, Status("h").Inode);
        Assert.Equal((FileKind.SymbolicLink, 1_700_000_000L), (Status("s").Kind, Status("s").Modified.Seconds));
        Assert.Equal((1u, 3u), (Status("null").DeviceMajor, Status("null").DeviceMinor));
        Assert.Equal((259u, 70_000u, FileKind.BlockDevice), (Status("disk").DeviceMajor, Status("disk").DeviceMinor, Status("disk").Kind));
        Assert.Equal(FileKind.Fifo, Status("pipe").Kind);
        Assert.Equal(0u, Status("d/open").Gid);
    }

    public static TheoryData<string> Escapes => ["dotdot", "dotdot-inside", "absolute", "symlink-parent", "symlink-parent-absolute", "symlink-up", "symlink-file", "hardlink-dotdot", "hardlink-absolute", "hardlink-through-symlink", "whiteout-dotdot", "whiteout-through-symlink", "opaque-through-symlink", "device-through-symlink", "directory-over-symlink", "nul"];

    [Theory]
    [MemberData(nameof(Escapes))]
    public async Task Nothing_outside_is_ever_reached(string how)
    {
        var up = "../" + Path.GetFileName(_outside);
        var maker = how switch
        {
            "dotdot" => new TarMaker().File("../secret", "evil"),
            "dotdot-inside" => new TarMaker().Directory("a/").File("a/../../secret", "evil"),
            "absolute" => new TarMaker().File(_outside + "/secret", "evil"),
            "symlink-parent" => new TarMaker().Symlink("l", "..").File("l/secret", "evil"),
            "symlink-parent-absolute" => new TarMaker().Symlink("l", _outside).File("l/secret", "evil"),
            "symlink-up" => new TarMaker().Directory("a/").Directory("a/b/").Symlink("a/b/l", "../../../..").File("a/b/l/" + up + "/secret", "evil"),
            "symlink-file" => new TarMaker().Symlink("secret", "../secret").File("secret", "evil"),
            "hardlink-dotdot" => new TarMaker().Hardlink("h", "../secret").File("h", "evil"),
            "hardlink-absolute" => new TarMaker().Hardlink("h", _outside + "/secret"),
            "hardlink-through-symlink" => new TarMaker().Symlink("l", _outside).Hardlink("h", "l/secret"),
            "whiteout-dotdot" => new TarMaker().File("../.wh.secret", ""),
            "whiteout-through-symlink" => new TarMaker().Symlink("l", "..").File("l/.wh.secret", ""),
            "opaque-through-symlink" => new TarMaker().Symlink("l", "..").File("l/.wh..wh..opq", ""),
            "device-through-symlink" => new TarMaker().Symlink("l", _outside).Node(TarEntryKind.CharacterDevice, "l/dev", 1, 3),
            "directory-over-symlink" => new TarMaker().Symlink("l", _outside).Directory("l/").File("l/secret", "evil"),
            _ => new TarMaker().Symlink("l", "..").Directory("l").File("secret", "evil"),
        };

        await Record.ExceptionAsync(() => Unpack(maker));

        Assert.Equal("untouched", File.ReadAllText(Path.Combine(_outside, "secret")));
        Assert.Equal(["root", "secret"], Directory.GetFileSystemEntries(_outside).Select(Path.GetFileName).Order());
        Assert.Equal(1u, StatusOutside("secret").Links);
    }

    private FileStatus StatusOutside(string name)
    {
        FileAt.Status(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(Path.Combine(_outside, name) + "\0"), out var status);
        return status;
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("..")]
    public async Task A_path_that_leads_out_is_said_to(string name)
    {
        var e = await Assert.ThrowsAsync<ImageException>(() => Unpack(new TarMaker().File(name)));
        Assert.Equal(ImageErrorKind.InvalidArgument, e.Kind);
        Assert.Contains("leads outside of the layer", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Symbolic_links_within_the_layer_work_as_they_would_inside()
    {
        await Unpack(new TarMaker().Directory("usr/").Directory("usr/lib/").Symlink("lib", "usr/lib").Symlink("abs", "/usr").File("lib/a", "1").File("abs/lib/b", "2"));

        Assert.Equal("1", File.ReadAllText(Path.Combine(Root, "usr/lib/a")));
        Assert.Equal("2", File.ReadAllText(Path.Combine(Root, "usr/lib/b")));
    }

    [Fact]
    public async Task Whiteouts_become_overlays_own()
    {
        await Unpack(new TarMaker().Directory("d/").File("d/.wh..wh..opq", "").File("d/.wh.gone", "").File("d/kept").File(".wh.top", "").File(".wh..wh.plnk", "x"));

        Assert.True(Status("d/gone").IsWhiteout);
        Assert.True(Status("top").IsWhiteout);
        Assert.Equal("y"u8.ToArray(), Attribute("d", "trusted.overlay.opaque"));
        Assert.Equal(["d", "top"], Directory.GetFileSystemEntries(Root).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_directory_deleted_and_made_anew_in_one_layer_hides_the_old_one(bool whiteoutFirst)
    {
        var maker = new TarMaker();
        await Unpack(whiteoutFirst
            ? maker.File(".wh.d", "").Directory("d/").File("d/new")
            : maker.Directory("d/").File("d/new").File(".wh.d", ""));

        Assert.Equal("y"u8.ToArray(), Attribute("d", "trusted.overlay.opaque"));
        Assert.True(File.Exists(Path.Combine(Root, "d/new")));
    }

    [Theory]
    [InlineData(".wh.")]
    [InlineData(".wh..")]
    [InlineData(".wh...")]
    public async Task A_whiteout_of_nothing_is_refused(string name)
    {
        await Assert.ThrowsAsync<ImageException>(() => Unpack(new TarMaker().File("a/" + name, "")));
    }

    [Fact]
    public async Task Overlays_own_attributes_in_an_archive_are_left_out()
    {
        await Unpack(new TarMaker().File("f", "x", 0x1A4, 0, 0, ("trusted.overlay.redirect", "/etc"u8.ToArray()), ("trusted.overlay.metacopy", []), ("user.ok", [1])));

        Assert.Null(Attribute("f", "trusted.overlay.redirect"));
        Assert.Null(Attribute("f", "trusted.overlay.metacopy"));
        Assert.NotNull(Attribute("f", "user.ok"));
    }

    [Fact]
    public async Task A_later_member_replaces_an_earlier_of_whatever_kind()
    {
        await Unpack(new TarMaker()
            .File("a", "1").File("a", "2")
            .Directory("b/").File("b/x").File("b", "file")
            .File("c", "file").Directory("c/").File("c/y")
            .Directory("e/").File("e/f", "1").Symlink("e", "c").File("e/z", "3"));

        Assert.Equal("2", File.ReadAllText(Path.Combine(Root, "a")));
        Assert.Equal("file", File.ReadAllText(Path.Combine(Root, "b")));
        Assert.True(File.Exists(Path.Combine(Root, "c/y")));
        Assert.Equal("3", File.ReadAllText(Path.Combine(Root, "c/z")));
    }

    [Fact]
    public async Task Missing_parents_are_made_and_hard_links_to_nothing_are_refused()
    {
        await Unpack(new TarMaker().File("x/y/z", "1"));
        Assert.Equal(0x1EDu, Status("x/y").Permissions);

        var e = await Assert.ThrowsAsync<ImageException>(() => Unpack(new TarMaker().Hardlink("h", "not/there")));
        Assert.Equal(ImageErrorKind.Corrupt, e.Kind);
    }

    [Fact]
    public async Task Sparse_files_stay_sparse()
    {
        var path = Path.Combine(_outside, "sparse");
        using (var file = File.Create(path))
        {
            file.Position = 50_000_000;
            file.Write("end"u8);
            file.SetLength(100_000_000);
        }

        using var tar = Process.Start(new ProcessStartInfo("tar", ["cf", Path.Combine(_outside, "s.tar"), "--sparse", "-C", _outside, "sparse"]))!;
        await tar.WaitForExitAsync(TestContext.Current.CancellationToken);
        await Unpack(await File.ReadAllBytesAsync(Path.Combine(_outside, "s.tar"), TestContext.Current.CancellationToken));

        Assert.Equal(100_000_000, Status("sparse").Size);
        Assert.True(Status("sparse").Allocated < 1_000_000);
        Assert.Equal(await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken), await File.ReadAllBytesAsync(Path.Combine(Root, "sparse"), TestContext.Current.CancellationToken));
        File.Delete(path);
        File.Delete(Path.Combine(_outside, "s.tar"));
    }

    [Fact]
    public async Task What_an_archive_says_of_the_root_itself_is_passed_over()
    {
        var before = Status("");
        await Unpack(new TarMaker().Directory("./", 0x5C0).File("f").Directory("d/", 0x1ED));

        Assert.Equal((before.Permissions, before.Uid, before.Gid), (Status("").Permissions, Status("").Uid, Status("").Gid));
        Assert.Equal(0x1EDu, Status("d").Permissions);
    }

    [Fact]
    public async Task Setgid_directories_do_not_leak_into_what_is_below()
    {
        await Unpack(new TarMaker().Directory("g/", 0x5FF).File("g/f").Directory("g/d/", 0x1ED));

        Assert.Equal(0x5FFu, Status("g").Permissions);
        Assert.Equal(0x1EDu, Status("g/d").Permissions);
    }

    [Fact]
    public async Task A_tree_written_as_an_archive_and_unpacked_is_the_same_tree()
    {
        await Unpack(new TarMaker().Directory("d/").File("d/f", "1", 0x9ED, 5, 6, ("user.x", [1, 0])).Hardlink("h", "d/f").Symlink("s", "d").Node(TarEntryKind.Fifo, "p").File("long" + new string('n', 150)));
        var first = new MemoryStream();
        await RootfsArchive.ExportAsync(Root, first, TestContext.Current.CancellationToken);
        Trees.Remove(Root);
        Directory.CreateDirectory(Root);
        await Unpack(first.ToArray());
        var second = new MemoryStream();
        await RootfsArchive.ExportAsync(Root, second, TestContext.Current.CancellationToken);

        Assert.Equal(first.ToArray(), second.ToArray());
    }
}
