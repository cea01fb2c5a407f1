using System.Diagnostics;
using Cais.Images.Layers;

namespace Cais.Images.Tests.Decompression;

/// <summary>What the programs xz and bzip2 write is read back, and what was damaged afterwards never passes.</summary>
[Trait("Tier", "integration")]
public sealed class ForeignCompressionTests
{
    /// <summary>Repetitive, random and structured pieces, so that all kinds of chunks occur.</summary>
    private static byte[] Sample(int size)
    {
        var random = new Random(size);
        var data = new byte[size];
        for (var at = 0; at < size;)
        {
            var piece = data.AsSpan(at, Math.Min(random.Next(1, 70_000), size - at));
            switch (random.Next(4))
            {
                case 0:
                    random.NextBytes(piece);
                    break;
                case 1:
                    piece.Fill((byte)random.Next(256));
                    break;
                case 2 when at > 1000:
                    for (var i = 0; i < piece.Length; i++)
                    {
                        piece[i] = data[at + i - 997];
                    }

                    break;
                default:
                    for (var i = 0; i < piece.Length; i++)
                    {
                        piece[i] = (byte)"the quick brown fox jumps over the lazy dog\n"[(i * 7 % 44)];
                    }

                    break;
            }

            at += piece.Length;
        }

        return data;
    }

    private static byte[] Compress(string program, byte[] data, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, ["-c", "-q", .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var reading = Task.Run(() =>
        {
            var output = new MemoryStream();
            process.StandardOutput.BaseStream.CopyTo(output);
            return output.ToArray();
        });
        process.StandardInput.BaseStream.Write(data);
        process.StandardInput.Close();
        var result = reading.Result;
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return result;
    }

    private static byte[] Decompress(byte[] data)
    {
        // One byte more or less at a time must not matter: a network gives what it has.
        using var plain = Compression.OpenReader(new Trickle(data), out _);
        var output = new MemoryStream();
        plain.CopyTo(output, 10_007);
        return output.ToArray();
    }

    [Theory]
    [InlineData("xz", 0, "-6")]
    [InlineData("xz", 1, "-6")]
    [InlineData("xz", 3_000_000, "-0")]
    [InlineData("xz", 3_000_000, "-6")]
    [InlineData("xz", 6_000_000, "-9")]
    [InlineData("xz", 300_000, "-6", "--check=none")]
    [InlineData("xz", 300_000, "-6", "--check=crc32")]
    [InlineData("xz", 300_000, "-6", "--check=sha256")]
    [InlineData("xz", 3_000_000, "-1", "--block-size=200000")]
    [InlineData("xz", 3_000_000, "-1", "-T2", "--block-size=500000")]
    [InlineData("xz", 2_000_000, "--lzma2=preset=6,lc=0,lp=4,pb=4,dict=4096")]
    [InlineData("xz", 2_000_000, "--lzma2=preset=6,lc=4,lp=0,pb=0,dict=65536")]
    [InlineData("bzip2", 0, "-9")]
    [InlineData("bzip2", 1, "-9")]
    [InlineData("bzip2", 3_000_000, "-9")]
    [InlineData("bzip2", 1_000_000, "-1")]
    public void What_the_program_wrote_is_read(string program, int size, params string[] arguments)
    {
        var data = Sample(size);
        Assert.Equal(data, Decompress(Compress(program, data, arguments)));
    }

    [Theory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    public void Files_one_after_the_other_are_one(string program)
    {
        var (first, second) = (Sample(100_000), Sample(70_000));
        byte[] padding = program == "xz" ? new byte[8] : [];

        Assert.Equal([.. first, .. second], Decompress([.. Compress(program, first), .. padding, .. Compress(program, second)]));
    }

    [Theory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    public void No_flipped_bit_passes(string program)
    {
        var data = Sample(20_000);
        var compressed = Compress(program, data);
        var random = new Random(7);
        for (var i = 0; i < 400; i++)
        {
            var damaged = compressed.ToArray();
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            byte[]? result = null;
            try
            {
                result = Decompress(damaged);
            }
            catch (InvalidDataException)
            {
            }

            // A flip in the magic number makes it something else; one in bzip2's unused bits changes nothing.
            Assert.True(result is null || Compression.Detect(damaged) == CompressionKind.None || result.AsSpan().SequenceEqual(data));
        }
    }

    [Theory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    public void What_is_cut_off_is_an_error(string program)
    {
        var compressed = Compress(program, Sample(50_000));
        foreach (var length in new[] { 6, 20, compressed.Length / 2, compressed.Length - 1 })
        {
            Assert.Throws<InvalidDataException>(() => Decompress(compressed[..length]));
        }
    }

    [Fact]
    public void A_dictionary_beyond_all_measure_is_refused()
    {
        var compressed = Compress("xz", Sample(1000), "--lzma2=preset=0,dict=1536MiB");
        Assert.Contains("dictionary", Assert.Throws<InvalidDataException>(() => Decompress(compressed)).Message, StringComparison.Ordinal);
    }

    private sealed class Trickle(byte[] data) : MemoryStream(data)
    {
        private int _next = 1;

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, _next = (_next * 31 % 5003) + 1));

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, _next = (_next * 31 % 5003) + 1)]);
    }
}
