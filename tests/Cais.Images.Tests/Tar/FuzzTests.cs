using System.Text;
using Cais.Images.Layers;
using Cais.Images.Tar;
using Cais.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Cais.Images.Tests.Tar;

/// <summary>Whatever the bytes, an archive is read or refused, within its own size and soon.</summary>
public sealed class FuzzTests
{
    private static readonly Config Settings = Config.QuickThrowOnFailure.WithReplay((ulong)Seeds.Value, 1).WithMaxTest(1500).WithEndSize(60);

    /// <summary>Where a header's fields begin and how long they are: damage there says more than damage anywhere.</summary>
    private static readonly (int At, int Length)[] Fields =
        [(0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (148, 8), (156, 1), (157, 100), (257, 8), (329, 8), (337, 8), (345, 155), (386, 96), (482, 1), (483, 12)];

    private static readonly string[] Values =
        ["", "\0", "0", "7777777", "-1", "88888888888", "\x80\0\0\0\0\0\0\0\0\0\u0001", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", " 1 ", "../../x", "/", ".wh.", ".wh..wh..opq", "S", "x", "g", "L", "K", "1", "2", "5", "V", "ustar\0" + "00", "ustar  \0"];

    private static readonly string[] Records =
        ["path=", "size=", "linkpath=", "mtime=1.5", "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.map=0,1,2", "GNU.sparse.realsize=", "GNU.sparse.numblocks=9", "SCHILY.xattr.user.a=", "99999999999999999999", "-5", "0", "\0", "é", "uid=", "=x"];

    private sealed record Damage(int Block, int Field, int Value, bool FixChecksum);

    private static Arbitrary<Damage[]> Damages =>
        (from block in Gen.Choose(0, 12)
         from place in Gen.Choose(0, Fields.Length - 1)
         from value in Gen.Choose(0, Values.Length - 1)
         from fix in Gen.Elements(true, true, true, false)
         select new Damage(block, place, value, fix)).ArrayOf().ToArbitrary();

    private static byte[] Whole()
    {
        var sparse = new TarEntry { Kind = TarEntryKind.File, Mode = 0x1A4, Size = 5 };
        sparse.SetName(Encoding.UTF8.GetBytes(new string('n', 150) + "/long"));
        return new TarMaker().Directory("d/").File("d/a", "hello", attributes: ("user.x", [1, 2])).Symlink("l", "d/a").Hardlink("h", "d/a")
            .Node(TarEntryKind.CharacterDevice, "c", 1, 3).ToArray();
    }

    /// <summary>Reads everything; the result is how many bytes came out.</summary>
    private static long Read(byte[] archive)
    {
        long read = 0;
        try
        {
            using var tar = new TarReader(new MemoryStream(archive));
            while (tar.Read())
            {
                Assert.True(tar.Entry.Size >= 0);
                Assert.True(tar.Entry.Name.IndexOf((byte)0) < 0 || !new MemberPath().TrySet(tar.Entry.Name));
                long last = 0;
                while (true)
                {
                    var data = tar.ReadData(out var offset);
                    if (data.IsEmpty)
                    {
                        break;
                    }

                    Assert.InRange(offset, last, tar.Entry.Size - data.Length);
                    last = offset + data.Length;
                    read += data.Length;
                }
            }
        }
        catch (TarFormatException)
        {
        }

        Assert.True(read <= archive.Length);
        return read;
    }

    [Fact]
    public void Damaged_headers_are_read_or_refused() => Prop.ForAll(Damages, damages =>
    {
        var archive = Whole();
        foreach (var damage in damages)
        {
            var block = archive.AsSpan(Math.Min(damage.Block * 512, archive.Length - 512), 512);
            var (at, length) = Fields[damage.Field];
            var value = Encoding.Latin1.GetBytes(Values[damage.Value]);
            block.Slice(at, length).Clear();
            value.AsSpan(0, Math.Min(length, value.Length)).CopyTo(block[at..]);
            if (damage.FixChecksum)
            {
                block.Slice(148, 8).Fill((byte)' ');
                var sum = 0;
                foreach (var b in block)
                {
                    sum += b;
                }

                Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(block[148..]);
            }
        }

        Read(archive);
    }).Check(Settings);

    [Fact]
    public void Extended_headers_of_any_content_are_read_or_refused() => Prop.ForAll(Gen.Elements(Records).ArrayOf().ToArbitrary(), pieces =>
    {
        var records = new StringBuilder();
        foreach (var piece in pieces)
        {
            // Lengths that are right, and some that are not.
            var line = $" {piece}\n";
            records.Append(line.Length + 2 + (pieces.Length % 3 == 0 ? 1 : 0)).Append(line);
        }

        var content = Encoding.UTF8.GetBytes(records.ToString());
        var header = new TarEntry { Kind = TarEntryKind.File, Mode = 0x1A4, Size = content.Length };
        header.SetName("pax"u8);
        var archive = new TarMaker().File("pax", content).File("victim", "some content of a file").ToArray();
        archive[156] = (byte)'x';
        var sum = 0;
        archive.AsSpan(148, 8).Fill((byte)' ');
        foreach (var b in archive.AsSpan(0, 512))
        {
            sum += b;
        }

        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(archive, 148);
        Read(archive);
    }).Check(Settings);

    [Fact]
    public void Any_bytes_at_all_are_read_or_refused() => Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
    {
        Read(bytes);
        Read([.. Whole().AsSpan(0, 1024), .. bytes, .. Whole()]);
    }).Check(Settings);

    [Fact]
    public void A_members_path_never_leads_out_of_its_tree() => Prop.ForAll(
        Gen.Elements("..", ".", "", "a", "b.", "..c", "/", "é", "\0").ArrayOf().ToArbitrary(),
        parts =>
        {
            var path = new MemberPath();
            if (!path.TrySet(Encoding.UTF8.GetBytes(string.Join('/', parts))))
            {
                return;
            }

            var result = Encoding.UTF8.GetString(path.ToArray());
            Assert.False(result.StartsWith('/'));
            Assert.DoesNotContain(result.Split('/'), p => p is ".." or "." || p.Contains('\0') || (p.Length == 0 && result.Length > 0));
        }).Check(Settings);
}
