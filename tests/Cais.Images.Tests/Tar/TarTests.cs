using System.Diagnostics;
using System.Text;
using Cais.Images.Tar;
using Cais.Linux.FileSystem;

namespace Cais.Images.Tests.Tar;

public sealed class TarTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-tar-").FullName;

    public void Dispose() => Trees.Remove(_directory);

    private static TarReader Reader(byte[] archive) => new(new MemoryStream(archive));

    private static List<(TarEntryKind Kind, string Name, string Link, long Size)> ReadAll(byte[] archive)
    {
        using var reader = Reader(archive);
        var all = new List<(TarEntryKind, string, string, long)>();
        while (reader.Read())
        {
            all.Add((reader.Entry.Kind, Encoding.UTF8.GetString(reader.Entry.Name), Encoding.UTF8.GetString(reader.Entry.LinkName), reader.Entry.Size));
        }

        return all;
    }

    private byte[] GnuTar(params string[] arguments)
    {
        using var tar = Process.Start(new ProcessStartInfo("tar", [.. arguments]) { WorkingDirectory = _directory, RedirectStandardOutput = true })!;
        var output = new MemoryStream();
        tar.StandardOutput.BaseStream.CopyTo(output);
        tar.WaitForExit();
        Assert.Equal(0, tar.ExitCode);
        return output.ToArray();
    }

    [Fact]
    public void What_was_written_is_read_again()
    {
        var entry = new TarEntry
        {
            Kind = TarEntryKind.File,
            Mode = 0xFED,
            Uid = 3_000_000_000,
            Gid = 2_100_000,
            Size = 5,
            Modified = new(-5, 250_000_000),
            Accessed = new(7, 1),
        };
        var name = new byte[] { (byte)'d', (byte)'/', 0xff, 0xfe, (byte)'x' };
        entry.SetName(name);
        entry.Attributes.Add(new("security.capability"u8.ToArray(), [1, 0, 0, 2, 0, 10, 61, 32, 255]));
        entry.Attributes.Add(new("user.a=b"u8.ToArray(), []));
        var stream = new MemoryStream();
        var writer = new TarWriter(stream);
        writer.WriteEntry(entry);
        writer.WriteData("hello"u8);
        writer.Finish();

        using var reader = Reader(stream.ToArray());
        Assert.True(reader.Read());
        Assert.Equal(name, reader.Entry.Name.ToArray());
        Assert.Equal((entry.Mode, entry.Uid, entry.Gid, entry.Size), (reader.Entry.Mode, reader.Entry.Uid, reader.Entry.Gid, reader.Entry.Size));
        Assert.Equal(entry.Modified, reader.Entry.Modified);
        Assert.Equal(entry.Accessed, reader.Entry.Accessed);
        Assert.Equal([1, 0, 0, 2, 0, 10, 61, 32, 255], reader.Entry.Attributes[0].Value);
        Assert.Equal("hello"u8.ToArray(), reader.ReadAll(5));
        Assert.False(reader.Read());
    }

    [Theory]
    [InlineData(99)]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(4000)]
    public void Names_of_every_length_survive_and_other_programs_read_them(int length)
    {
        var name = string.Join('/', Enumerable.Repeat("abcdefghi", length)).AsSpan(0, length).ToString().TrimEnd('/');
        name = name.PadRight(length, 'z');
        var archive = new TarMaker().File(name, "1").Symlink("link", name).File("last").ToArray();

        Assert.Equal([name, "link", "last"], ReadAll(archive).Select(e => e.Name));
        Assert.Equal(name, ReadAll(archive)[1].Link);
        File.WriteAllBytes(Path.Combine(_directory, "a.tar"), archive);
        Assert.Equal([name, "link", "last"], Encoding.UTF8.GetString(GnuTar("tf", "a.tar")).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("v7")]
    [InlineData("oldgnu")]
    [InlineData("gnu")]
    [InlineData("ustar")]
    [InlineData("posix")]
    public void Archives_of_GNU_tar_are_read_in_every_format(string format)
    {
        var source = Directory.CreateDirectory(Path.Combine(_directory, "src")).FullName;
        var name = format is "v7" ? "plain" : new string('n', 90) + "é";
        File.WriteAllText(Path.Combine(source, name), "content");
        File.CreateSymbolicLink(Path.Combine(source, "link"), name);
        File.SetLastWriteTimeUtc(Path.Combine(source, name), new DateTime(2020, 1, 2, 3, 4, 5, DateTimeKind.Utc));

        var entries = ReadAll(GnuTar("cf", "-", "--format=" + format, "src"));

        Assert.Contains((TarEntryKind.Directory, "src/", "", 0L), entries);
        Assert.Contains((TarEntryKind.File, "src/" + name, "", 7L), entries);
        Assert.Contains((TarEntryKind.SymbolicLink, "src/link", name, 0L), entries);
    }

    [Theory]
    [InlineData("--format=gnu")]
    [InlineData("--format=posix", "--sparse-version=0.0")]
    [InlineData("--format=posix", "--sparse-version=0.1")]
    [InlineData("--format=posix", "--sparse-version=1.0")]
    public void Sparse_files_keep_their_holes(params string[] format)
    {
        var path = Path.Combine(_directory, "sparse");
        using (var file = File.Create(path))
        {
            for (var i = 0; i < 40; i++)
            {
                file.Position = (i * 100_000L) + 7;
                file.Write(Encoding.ASCII.GetBytes($"piece {i}"));
            }

            file.SetLength(10_000_000);
        }

        var archive = GnuTar(["cf", "-", "--sparse", .. format, "sparse"]);

        Assert.True(archive.Length < 1_000_000);
        using var reader = Reader(archive);
        Assert.True(reader.Read());
        Assert.Equal("sparse", reader.Entry.DisplayName);
        Assert.Equal(10_000_000, reader.Entry.Size);
        Assert.NotNull(reader.Entry.Extents);
        Assert.Equal(File.ReadAllBytes(path), reader.ReadAll(10_000_000));
        Assert.False(reader.Read());
    }

    [Fact]
    public void Owners_beyond_octal_and_devices_are_read_from_GNU_tar()
    {
        File.WriteAllText(Path.Combine(_directory, "f"), "x");
        using var reader = Reader(GnuTar("cf", "-", "--format=gnu", "--owner=:3000000000", "--group=:4000000000", "f"));
        Assert.True(reader.Read());
        Assert.Equal((3_000_000_000u, 4_000_000_000u), (reader.Entry.Uid, reader.Entry.Gid));
    }

    [Fact]
    public void An_archive_without_end_mark_is_whole_if_it_ends_between_members()
    {
        var archive = new TarMaker().File("a").ToArray();
        Assert.Single(ReadAll(archive[..2048]));
        Assert.Single(ReadAll(archive[..2560]));
        Assert.Empty(ReadAll([]));
    }

    [Fact]
    public void An_archive_cut_off_anywhere_else_is_refused()
    {
        var content = new string('y', 3000);
        var archive = new TarMaker().File("a" + new string('x', 200), content).ToArray();

        // The padding of the last member says nothing: docker's client leaves it out.
        var padding = 512 - (content.Length % 512);
        for (var length = 1; length < archive.Length - 1024 - padding; length++)
        {
            Assert.Throws<TarFormatException>(() => ReadAll(archive[..length]));
        }
    }

    [Fact]
    public void A_header_with_a_wrong_checksum_is_refused()
    {
        var archive = new TarMaker().File("a").ToArray();
        archive[0] ^= 1;
        Assert.Throws<TarFormatException>(() => ReadAll(archive));
    }

    [Theory]
    [InlineData("99 path=x\n")]
    [InlineData("0 path=x\n")]
    [InlineData("-5 path=x\n")]
    [InlineData("10 path=xx")]
    [InlineData("9 pathx\n\n")]
    [InlineData("11 path=a\0\n")]
    [InlineData("12 size=-12\n")]
    [InlineData("11 size=1x\n")]
    [InlineData("27 size=9999999999999999999\n")]
    [InlineData("22 GNU.sparse.map=1,2,\n")]
    [InlineData("99999999999 path=x\n")]
    public void A_bad_extended_header_is_refused(string records)
    {
        var bytes = Encoding.ASCII.GetBytes(records);
        Assert.True(Record.Exception(() => PaxRecords.Parse(bytes)) is TarFormatException || records.StartsWith("22", StringComparison.Ordinal));
    }

    [Fact]
    public void A_header_that_claims_to_be_endless_is_refused_before_memory_is_taken()
    {
        var archive = Raw('x', "8388608");
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<TarFormatException>(() => ReadAll(archive));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1_000_000);
        Assert.Throws<TarFormatException>(() => ReadAll(Raw('L', "77777777777")));
        Assert.Throws<TarFormatException>(() => ReadAll(Raw('0', "77777777777")));
        Assert.Throws<TarFormatException>(() => ReadAll(Raw('M', "0")));
    }

    [Theory]
    [InlineData(10, 5, 20, 10)]
    [InlineData(0, 100, 50, 100)]
    [InlineData(long.MaxValue, 10, 100, 10)]
    [InlineData(0, 10, 100, 20)]
    public void A_sparse_map_that_lies_is_refused(long offset, long length, long realSize, long stored)
    {
        var map = $"{offset},{length},5,5";
        var pax = string.Concat(new[] { ("GNU.sparse.map", map), ("GNU.sparse.size", $"{realSize}") }.Select(r => Pax(r.Item1, r.Item2)));
        var archive = new MemoryStream();
        archive.Write(Raw('x', Convert.ToString(pax.Length, 8)).AsSpan(0, 512));
        archive.Write(Encoding.ASCII.GetBytes(pax.PadRight((pax.Length + 511) / 512 * 512, '\0')));
        archive.Write(Raw('0', Convert.ToString(stored, 8)).AsSpan(0, 512));
        archive.Write(new byte[4096]);

        Assert.Throws<TarFormatException>(() => ReadAll(archive.ToArray()));
    }

    [Fact]
    public void Mutated_archives_are_read_or_refused_and_nothing_else()
    {
        var maker = new TarMaker().Directory("d/").File("d/" + new string('n', 200), "content").Symlink("l", "d").Hardlink("h", "d/x")
            .Node(TarEntryKind.CharacterDevice, "c", 1, 3).File("x", "y", 0x1A4, 0, 0, ("user.a", [1, 2, 3]));
        var good = maker.ToArray();
        var random = new Random(42);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = good.ToArray();
            for (var n = random.Next(1, 8); n > 0; n--)
            {
                var at = random.Next(bytes.Length);
                bytes[at] = (byte)random.Next(256);
                FixChecksum(bytes, at / 512 * 512);
            }

            var e = Record.Exception(() =>
            {
                using var reader = Reader(bytes);
                while (reader.Read())
                {
                    while (!reader.ReadData(out _).IsEmpty)
                    {
                    }
                }
            });
            Assert.True(e is null or TarFormatException, e?.ToString());
        }
    }

    private static string Pax(string key, string value)
    {
        var rest = key.Length + value.Length + 3;
        var length = rest + $"{rest}".Length;
        length = rest + $"{length}".Length;
        return $"{length} {key}={value}\n";
    }

    private static byte[] Raw(char type, string octalSize)
    {
        var block = new byte[2048];
        Encoding.ASCII.GetBytes("name").CopyTo(block, 0);
        Encoding.ASCII.GetBytes(octalSize.PadLeft(11, '0')).CopyTo(block, 124);
        block[156] = (byte)type;
        Encoding.ASCII.GetBytes("ustar\000").CopyTo(block, 257);
        FixChecksum(block, 0);
        return block;
    }

    private static void FixChecksum(byte[] archive, int at)
    {
        archive.AsSpan(at + 148, 8).Fill((byte)' ');
        var sum = 0;
        for (var i = 0; i < 512; i++)
        {
            sum += archive[at + i];
        }

        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(archive, at + 148);
    }
}
