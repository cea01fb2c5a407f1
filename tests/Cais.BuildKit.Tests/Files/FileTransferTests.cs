using System.Text;
using Cais.BuildKit.Files;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Tests.Grpc;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Fsutil.Types;
using Google.Protobuf;
using PacketType = Fsutil.Types.Packet.Types.PacketType;

namespace Cais.BuildKit.Tests.Files;

public sealed class FileTransferTests : IDisposable
{
    private const uint Directory = 1u << 31;
    private const uint Symlink = 1u << 27;

    private readonly string _root = System.IO.Directory.CreateTempSubdirectory("cais-transfer-").FullName;

    public void Dispose() => Trees.Remove(_root);

    [Fact]
    public async Task Files_directories_and_links_arrive_as_they_are()
    {
        var to = Make("to");
        await Receive(to, [Dir("d"), File("d/f", "hello", mode: 0x1ED), Link("d/l", "f"), File("e", "")]);
        Assert.Equal("hello", System.IO.File.ReadAllText(Path.Combine(to, "d/f")));
        Assert.Equal((UnixFileMode)0x1ED, System.IO.File.GetUnixFileMode(Path.Combine(to, "d/f")));
        Assert.Equal("f", new FileInfo(Path.Combine(to, "d/l")).LinkTarget);
        Assert.Equal("", System.IO.File.ReadAllText(Path.Combine(to, "e")));
        Assert.Equal(DateTime.UnixEpoch.AddSeconds(1_000_000), System.IO.Directory.GetLastWriteTimeUtc(Path.Combine(to, "d")));
    }

    [Fact]
    public async Task Only_what_changed_is_asked_for_and_what_is_gone_goes()
    {
        var to = Make("to");
        await Receive(to, [Dir("d"), File("d/a", "1"), File("d/b", "2"), Dir("old"), File("old/x", "3"), File("z", "4")]);
        var asked = await Receive(to, [Dir("d"), File("d/a", "1"), File("d/b", "22"), File("z", "4")]);
        Assert.Equal(["d/b"], asked);
        Assert.Equal("22", System.IO.File.ReadAllText(Path.Combine(to, "d/b")));
        Assert.Equal(["d", "z"], System.IO.Directory.EnumerateFileSystemEntries(to).Select(e => Path.GetFileName(e)!).Order());
    }

    [Fact]
    public async Task A_file_takes_the_place_of_a_directory_and_the_other_way_round()
    {
        var to = Make("to");
        await Receive(to, [Dir("a"), File("a/x", "1"), File("b", "2")]);
        await Receive(to, [File("a", "1"), Dir("b"), File("b/x", "2")]);
        Assert.Equal("1", System.IO.File.ReadAllText(Path.Combine(to, "a")));
        Assert.Equal("2", System.IO.File.ReadAllText(Path.Combine(to, "b/x")));
    }

    [Fact]
    public async Task Hard_links_stay_links()
    {
        var to = Make("to");
        var second = File("b", "");
        second.Stat.Linkname = "a";
        await Receive(to, [File("a", "same"), second]);
        Assert.Equal("same", System.IO.File.ReadAllText(Path.Combine(to, "b")));
        System.IO.File.AppendAllText(Path.Combine(to, "a"), "!");
        Assert.Equal("same!", System.IO.File.ReadAllText(Path.Combine(to, "b")));
    }

    [Fact]
    public async Task Attributes_arrive_change_and_go()
    {
        var to = Make("to");
        await Receive(to, [With("user.one", "1", Dir("d")), File("d/a", "x"), With("user.one", "1", File("d/f", "x"))]);
        Assert.Equal("1", Attribute("d/f", "user.one"));
        Assert.Equal("1", Attribute("d", "user.one"));
        Assert.Empty(await Receive(to, [With("user.one", "1", Dir("d")), File("d/a", "x"), With("user.one", "1", File("d/f", "x"))]));
        await Receive(to, [With("user.two", "2", Dir("d")), With("user.one", "3", File("d/a", "x")), With("user.one", "2", File("d/f", "x"))]);
        Assert.Equal("2", Attribute("d/f", "user.one"));
        Assert.Equal("3", Attribute("d/a", "user.one"));
        Assert.Equal((null, "2"), (Attribute("d", "user.one"), Attribute("d", "user.two")));
        await Receive(to, [Dir("d"), File("d/a", "x"), File("d/f", "x")]);
        Assert.Equal((null, null, null), (Attribute("d/f", "user.one"), Attribute("d/a", "user.one"), Attribute("d", "user.two")));

        // Nothing that means something to the kernel.
        await Receive(to, [With("trusted.overlay.opaque", "y", Dir("d")), File("d/f", "x")]);
        Assert.Null(Attribute("d", "trusted.overlay.opaque"));

        string? Attribute(string path, string name) => Xattr.Get(Path.Combine(to, path), name) is { } value ? Encoding.UTF8.GetString(value) : null;

        static Sent With(string name, string value, Sent file)
        {
            file.Stat.Xattrs[name] = ByteString.CopyFromUtf8(value);
            return file;
        }
    }

    [Theory]
    [InlineData("../escape")]
    [InlineData("/escape")]
    [InlineData("a/../../escape")]
    [InlineData("./a")]
    [InlineData("a//b")]
    [InlineData("")]
    [InlineData("a\0b")]
    public async Task Paths_out_of_the_directory_are_refused(string path)
    {
        var to = Make("to");
        var e = await Assert.ThrowsAsync<InvalidDataException>(() => Receive(to, [File(path, "x")]));
        Assert.Contains("path", e.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(Path.Combine(_root, "escape")));
    }

    [Fact]
    public async Task Nothing_is_written_through_a_symbolic_link()
    {
        var (to, outside) = (Make("to"), Make("outside"));
        await Assert.ThrowsAsync<InvalidDataException>(() => Receive(to, [Link("l", outside), File("l/x", "1")]));
        Assert.Empty(System.IO.Directory.EnumerateFileSystemEntries(outside));
    }

    [Fact]
    public async Task A_link_left_from_before_is_not_followed()
    {
        var (to, outside) = (Make("to"), Make("outside"));
        await Receive(to, [Link("l", outside)]);
        await Receive(to, [Dir("l"), File("l/x", "1")]);
        Assert.Empty(System.IO.Directory.EnumerateFileSystemEntries(outside));
        Assert.Equal("1", System.IO.File.ReadAllText(Path.Combine(to, "l/x")));
    }

    [Fact]
    public async Task Files_out_of_order_are_refused()
    {
        var to = Make("to");
        await Assert.ThrowsAsync<InvalidDataException>(() => Receive(to, [File("b", "1"), File("a", "2")]));
        await Assert.ThrowsAsync<InvalidDataException>(() => Receive(to, [File("a", "1"), File("a", "2")]));
    }

    [Fact]
    public async Task A_file_without_its_directory_is_refused() =>
        await Assert.ThrowsAsync<InvalidDataException>(() => Receive(Make("to"), [File("d/x", "1")]));

    [Fact]
    public async Task A_slash_sorts_before_every_other_character()
    {
        var to = Make("to");
        await Receive(to, [Dir("a"), File("a/x", "1"), File("a-b", "2"), File("a.c", "3")]);
        Assert.Equal("2", System.IO.File.ReadAllText(Path.Combine(to, "a-b")));
    }

    [Theory]
    [InlineData("a/b", "a-b")]
    [InlineData("a", "a/b")]
    [InlineData("a", "b")]
    [InlineData("a\uffee", "a\U0001f600")]
    [InlineData("z", "ä")]
    public void Paths_are_in_the_order_of_their_bytes(string first, string second)
    {
        Assert.True(FileReceiver.ComparePaths(first, second) < 0);
        Assert.True(FileReceiver.ComparePaths(second, first) > 0);
        Assert.Equal(0, FileReceiver.ComparePaths(first, first));
    }

    [Fact]
    public async Task More_data_than_announced_is_refused()
    {
        var file = File("a", "12345");
        file.Stat.Size = 3;
        await Assert.ThrowsAsync<InvalidDataException>(() => Receive(Make("to"), [file]));
    }

    [Fact]
    public async Task The_senders_error_is_told()
    {
        await using var wire = new Wire(s => s.Map("/t.T/Send", call => call.SendAsync(new Packet { Type = PacketType.PacketErr, Data = ByteString.CopyFromUtf8("disk on fire") }, call.Canceled).AsTask()));
        using var call = wire.Channel.Begin("/t.T/Send", null, CancellationToken.None);
        var e = await Assert.ThrowsAsync<GrpcException>(() => FileReceiver.ReceiveAsync(call, Make("to"), _ => { }, CancellationToken.None));
        Assert.Contains("disk on fire", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Equal_files_have_equal_identities()
    {
        var to = Make("to");
        var one = await Identity(to, [File("a", "1")]);
        Assert.Equal(one, await Identity(to, [File("a", "1")]));
        Assert.NotEqual(one, await Identity(to, [File("a", "1", time: 2)]));
    }

    [Fact]
    public async Task What_is_sent_is_asked_for_file_by_file()
    {
        var from = Make("from");
        System.IO.Directory.CreateDirectory(Path.Combine(from, "d"));
        System.IO.File.WriteAllText(Path.Combine(from, "d/one"), "1");
        System.IO.File.WriteAllText(Path.Combine(from, "d-two"), new string('2', 300_000));
        System.IO.File.CreateSymbolicLink(Path.Combine(from, "l"), "d/one");
        Xattr.Set(Path.Combine(from, "d/one"), "user.note", "n"u8);
        var to = Make("to");
        // The receiver is a client's: here it is the server of the call.
        var attributes = "";
        var received = new TaskCompletionSource<Dictionary<string, string>>();
        await using var wire = new Wire(s => s.Map("/t.T/Receive", async call =>
        {
            var reader = call.Reader(Packet.Parser);
            var names = new List<Stat>();
            var content = new Dictionary<string, string>();
            while (await reader.ReadAsync(call.Canceled) is { } packet)
            {
                if (packet is { Type: PacketType.PacketStat, Stat: not null })
                {
                    names.Add(packet.Stat);
                    attributes += string.Concat(packet.Stat.Xattrs.Select(a => $"{packet.Stat.Path} {a.Key}={a.Value.ToStringUtf8()}"));
                }
                else if (packet.Type == PacketType.PacketStat)
                {
                    for (var i = 0; i < names.Count; i++)
                    {
                        content[names[i].Path] = names[i].Linkname;
                        if (GoFileMode.IsRegular(names[i].Mode))
                        {
                            await call.SendAsync(new Packet { Type = PacketType.PacketReq, ID = (uint)i }, call.Canceled);
                        }
                    }

                    await call.SendAsync(new Packet { Type = PacketType.PacketFin }, call.Canceled);
                }
                else if (packet.Type == PacketType.PacketData)
                {
                    content[names[(int)packet.ID].Path] += packet.Data.ToStringUtf8();
                }
            }

            received.SetResult(content);
        }));
        using var tree = new FileDescriptor(FileAt.Open(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(from + "\0"), FileAt.ReadOnly | FileAt.DirectoryOnly));
        using var call = wire.Channel.Begin("/t.T/Receive", null, CancellationToken.None);
        await new FileSender(call, CancellationToken.None).SendAsync([("linux_amd64", tree)]);
        var got = await received.Task;
        Assert.Equal(["linux_amd64", "linux_amd64/d", "linux_amd64/d/one", "linux_amd64/d-two", "linux_amd64/l"], got.Keys);
        Assert.Equal("1", got["linux_amd64/d/one"]);
        Assert.Equal(300_000, got["linux_amd64/d-two"].Length);
        Assert.Equal("d/one", got["linux_amd64/l"]);
        Assert.Equal("linux_amd64/d/one user.note=n", attributes);
    }

    private string Make(string name) => System.IO.Directory.CreateDirectory(Path.Combine(_root, name)).FullName;

    private static Sent Dir(string path) => new(new Stat { Path = path, Mode = Directory | 0x1ED, ModTime = 1_000_000_000_000_000 }, "");

    private static Sent File(string path, string content, uint mode = 0x1A4, long time = 1) =>
        new(new Stat { Path = path, Mode = mode, Size = content.Length, ModTime = (1_000_000 * 1_000_000_000L) + time }, content);

    private static Sent Link(string path, string target) => new(new Stat { Path = path, Mode = Symlink | 0x1FF, Linkname = target, ModTime = 1 }, "");

    private static async Task<string> Identity(string to, Sent[] files) => (await Transfer(to, files)).Identity;

    /// <summary>Sends files as a client does, and gives those that were asked for.</summary>
    private static async Task<IReadOnlyList<string>> Receive(string to, Sent[] files) => (await Transfer(to, files)).Asked;

    private static async Task<(IReadOnlyList<string> Asked, string Identity)> Transfer(string to, Sent[] files)
    {
        var asked = new List<string>();
        await using var wire = new Wire(s => s.Map("/t.T/Send", async call =>
        {
            foreach (var (stat, _) in files)
            {
                await call.SendAsync(new Packet { Type = PacketType.PacketStat, Stat = stat }, call.Canceled);
            }

            await call.SendAsync(new Packet { Type = PacketType.PacketStat }, call.Canceled);
            var reader = call.Reader(Packet.Parser);
            while (await reader.ReadAsync(call.Canceled) is { } packet)
            {
                if (packet.Type == PacketType.PacketFin)
                {
                    await call.SendAsync(new Packet { Type = PacketType.PacketFin }, call.Canceled);
                    return;
                }

                asked.Add(files[packet.ID].Stat.Path);
                if (files[packet.ID].Content.Length > 0)
                {
                    await call.SendAsync(new Packet { Type = PacketType.PacketData, ID = packet.ID, Data = ByteString.CopyFromUtf8(files[packet.ID].Content) }, call.Canceled);
                }

                await call.SendAsync(new Packet { Type = PacketType.PacketData, ID = packet.ID }, call.Canceled);
            }
        }));
        using var call = wire.Channel.Begin("/t.T/Send", null, CancellationToken.None);
        var identity = await FileReceiver.ReceiveAsync(call, to, _ => { }, CancellationToken.None);
        return (asked, identity);
    }

    private sealed record Sent(Stat Stat, string Content);
}
