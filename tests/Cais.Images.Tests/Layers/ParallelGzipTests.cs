using System.IO.Compression;
using Cais.Images.Layers;

namespace Cais.Images.Tests.Layers;

public sealed class ParallelGzipTests
{
    public static TheoryData<int> Lengths => [0, 1, 1000, (1024 * 1024) - 1, 1024 * 1024, (1024 * 1024) + 1, 5_000_000];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void What_was_compressed_comes_out_again(int length)
    {
        // Half of it text, half of it noise, which cannot be compressed.
        var plain = new byte[length];
        new Random(1).NextBytes(plain.AsSpan(length / 2));
        for (var i = 0; i < length / 2; i++)
        {
            plain[i] = (byte)("abc def\n"[(i ^ (i >> 7)) % 8]);
        }

        var packed = new MemoryStream();
        ParallelGzip.Compress(new MemoryStream(plain), packed, null, TestContext.Current.CancellationToken);

        packed.Position = 0;
        var back = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Decompress, leaveOpen: true))
        {
            gzip.CopyTo(back);
        }

        Assert.True(plain.AsSpan().SequenceEqual(back.ToArray()));
        Assert.True(packed.Length <= length + (length / 1000) + 64);
    }

    [Fact]
    public void Other_programs_read_it_as_one_member_and_equal_content_gives_equal_bytes()
    {
        var plain = Enumerable.Range(0, 3_000_000).Select(i => (byte)(i * i >> 9)).ToArray();
        var (first, second) = (new MemoryStream(), new MemoryStream());
        ParallelGzip.Compress(new MemoryStream(plain), first, null, TestContext.Current.CancellationToken);
        ParallelGzip.Compress(new MemoryStream(plain), second, null, TestContext.Current.CancellationToken);
        Assert.Equal(first.ToArray(), second.ToArray());

        // The program checks checksum and length of every member, and lists the last one's.
        var file = Path.Combine(Path.GetTempPath(), $"cais-{Guid.NewGuid():N}.gz");
        try
        {
            File.WriteAllBytes(file, first.ToArray());
            using var test = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("gzip", ["-lv", file]) { RedirectStandardOutput = true })!;
            Assert.Contains(" 3000000 ", test.StandardOutput.ReadToEnd(), StringComparison.Ordinal);
            test.WaitForExit();
            using var check = System.Diagnostics.Process.Start("gzip", ["-t", file]);
            check.WaitForExit();
            Assert.Equal(0, check.ExitCode);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
