using System.IO.Compression;
using System.Text;
using Cais.Images.Tar;

namespace Cais.Images.Tests;

/// <summary>Small archives for tests, member by member.</summary>
public sealed class TarMaker
{
    private readonly MemoryStream _stream = new();
    private readonly TarWriter _writer;

    public TarMaker() => _writer = new TarWriter(_stream);

    public TarMaker File(string name, string content = "x", uint mode = 0x1A4, uint uid = 0, uint gid = 0, params (string Name, byte[] Value)[] attributes)
    {
        var data = Encoding.UTF8.GetBytes(content);
        var entry = Entry(TarEntryKind.File, name, mode, uid, gid);
        entry.Size = data.Length;
        entry.Attributes.AddRange(attributes.Select(a => new TarAttribute(Encoding.UTF8.GetBytes(a.Name), a.Value)));
        _writer.WriteEntry(entry);
        _writer.WriteData(data);
        return this;
    }

    public TarMaker File(string name, byte[] content)
    {
        var entry = Entry(TarEntryKind.File, name, 0x1A4, 0, 0);
        entry.Size = content.Length;
        _writer.WriteEntry(entry);
        _writer.WriteData(content);
        return this;
    }

    public TarMaker Directory(string name, uint mode = 0x1ED)
    {
        _writer.WriteEntry(Entry(TarEntryKind.Directory, name, mode, 0, 0));
        return this;
    }

    public TarMaker Link(TarEntryKind kind, string name, string target)
    {
        var entry = Entry(kind, name, 0x1FF, 0, 0);
        entry.SetLinkName(Encoding.UTF8.GetBytes(target));
        _writer.WriteEntry(entry);
        return this;
    }

    public TarMaker Symlink(string name, string target) => Link(TarEntryKind.SymbolicLink, name, target);

    public TarMaker Hardlink(string name, string target) => Link(TarEntryKind.HardLink, name, target);

    public TarMaker Node(TarEntryKind kind, string name, uint major = 0, uint minor = 0)
    {
        var entry = Entry(kind, name, 0x1B6, 0, 0);
        (entry.DeviceMajor, entry.DeviceMinor) = (major, minor);
        _writer.WriteEntry(entry);
        return this;
    }

    public TarMaker Add(TarEntry entry)
    {
        _writer.WriteEntry(entry);
        return this;
    }

    public byte[] ToArray()
    {
        _writer.Finish();
        return _stream.ToArray();
    }

    public static byte[] Gzip(byte[] data)
    {
        var to = new MemoryStream();
        using (var gzip = new GZipStream(to, CompressionLevel.Fastest))
        {
            gzip.Write(data);
        }

        return to.ToArray();
    }

    public static byte[] Zstd(byte[] data)
    {
        using var compressor = new ZstdSharp.Compressor();
        return compressor.Wrap(data).ToArray();
    }

    private static TarEntry Entry(TarEntryKind kind, string name, uint mode, uint uid, uint gid)
    {
        var entry = new TarEntry { Kind = kind, Mode = mode, Uid = uid, Gid = gid, Modified = new(1_700_000_000, 123_456_789) };
        entry.SetName(Encoding.UTF8.GetBytes(name));
        return entry;
    }
}
