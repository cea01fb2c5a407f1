using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cais.Ttrpc.Tests;

public sealed class FrameDecoderTests
{
    private readonly List<(FrameHeader Header, byte[] Payload, bool Oversize)> _frames = [];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void Frames_are_found_however_the_stream_is_cut(int chunk)
    {
        var decoder = Decoder();
        var stream = new List<byte>();
        var payloads = new[] { Array.Empty<byte>(), [1], RandomNumberGenerator.GetBytes(100), [], RandomNumberGenerator.GetBytes(70_000) };
        for (var i = 0; i < payloads.Length; i++)
        {
            stream.AddRange(Frame((uint)((2 * i) + 1), FrameType.Request, payloads[i]));
        }

        foreach (var part in stream.Chunk(chunk))
        {
            decoder.Feed(part);
        }

        Assert.Equal(payloads, _frames.Select(f => f.Payload));
        Assert.Equal([1u, 3u, 5u, 7u, 9u], _frames.Select(f => f.Header.Stream));
        Assert.All(_frames, f => Assert.False(f.Oversize));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public void A_frame_that_is_too_long_is_skipped_and_the_next_is_found(int chunk)
    {
        var decoder = Decoder();
        var tooLong = new byte[FrameHeader.MaxPayload + 1];
        byte[] stream = [.. Frame(1, FrameType.Request, tooLong), .. Frame(3, FrameType.Request, [42])];
        foreach (var part in stream.Chunk(chunk))
        {
            decoder.Feed(part);
        }

        Assert.Collection(
            _frames,
            f =>
            {
                Assert.True(f.Oversize);
                Assert.Equal(1u, f.Header.Stream);
            },
            f => Assert.Equal([42], f.Payload));
    }

    [Fact]
    public void A_frame_of_the_greatest_length_is_taken()
    {
        var decoder = Decoder();
        decoder.Feed(Frame(1, FrameType.Request, new byte[FrameHeader.MaxPayload]));
        Assert.Equal(FrameHeader.MaxPayload, Assert.Single(_frames).Payload.Length);
    }

    [Fact]
    public void A_header_that_promises_much_takes_no_memory()
    {
        var decoder = Decoder();
        var beginning = Frame(1, FrameType.Request, new byte[FrameHeader.MaxPayload]).AsSpan(0, 11);
        var before = GC.GetAllocatedBytesForCurrentThread();
        decoder.Feed(beginning);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 4096);
    }

    [Fact]
    public void Any_bytes_are_frames_or_wait_but_never_an_error()
    {
        var random = new Random(20260823);
        for (var round = 0; round < 2000; round++)
        {
            var decoder = Decoder();
            for (var i = 0; i < 20; i++)
            {
                var bytes = new byte[random.Next(0, 200)];
                random.NextBytes(bytes);
                if (bytes.Length > 4 && random.Next(2) == 0)
                {
                    BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)random.Next(0, 300));
                }

                decoder.Feed(bytes);
            }
        }
    }

    private FrameDecoder Decoder() => new((header, payload, oversize) => _frames.Add((header, payload.ToArray(), oversize)));

    private static byte[] Frame(uint stream, FrameType type, byte[] payload)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader((uint)payload.Length, stream, type, 0).Write(frame);
        payload.CopyTo(frame, FrameHeader.Size);
        return frame;
    }
}
