using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Cais.Images.Decompression;

namespace Cais.Images.Layers;

/// <summary>
/// Compresses to one gzip member (RFC 1952) on all cores: blocks of a fixed length are deflated each by itself, end on a byte (an empty stored block, RFC 1951
/// section 3.2.4), and follow one another. The same input gives the same bytes on any number of cores.
/// </summary>
internal static class ParallelGzip
{
    /// <summary>Each block begins with an empty window, which costs a little; a megabyte makes that a few in a thousand.</summary>
    private const int BlockSize = 1024 * 1024;

    /// <summary>No name, no time, an unknown system: nothing that differs from one machine to the next.</summary>
    private static readonly byte[] Header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

    /// <summary>A last block with nothing in it.</summary>
    private static readonly byte[] LastBlock = [0x03, 0x00];

    /// <summary>Blocks the caller until all of it is done. <paramref name="progress"/> gets the bytes read so far.</summary>
    public static void Compress(Stream from, Stream to, Action<long>? progress, CancellationToken cancellation)
    {
        to.Write(Header);
        var pending = new Queue<Task<Block>>();
        var most = Environment.ProcessorCount + 1;
        var crc = 0u;
        long length = 0;
        try
        {
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                var plain = ArrayPool<byte>.Shared.Rent(BlockSize);
                var count = from.ReadAtLeast(plain.AsSpan(0, BlockSize), BlockSize, throwOnEndOfStream: false);
                if (count == 0)
                {
                    ArrayPool<byte>.Shared.Return(plain);
                    break;
                }

                crc = Crc32.Append(crc, plain.AsSpan(0, count));
                length += count;
                pending.Enqueue(Task.Run(() => Deflate(plain, count), CancellationToken.None));
                if (pending.Count >= most)
                {
                    Write(pending.Dequeue());
                    progress?.Invoke(length);
                }
            }

            while (pending.TryDequeue(out var block))
            {
                Write(block);
            }
        }
        finally
        {
            foreach (var left in pending)
            {
                left.GetAwaiter().GetResult().Return();
            }
        }

        Span<byte> end = stackalloc byte[10];
        LastBlock.CopyTo(end);
        BinaryPrimitives.WriteUInt32LittleEndian(end[2..], crc);
        BinaryPrimitives.WriteUInt32LittleEndian(end[6..], (uint)length);
        to.Write(end);
        progress?.Invoke(length);

        void Write(Task<Block> done)
        {
            var block = done.GetAwaiter().GetResult();
            try
            {
                to.Write(block.Data, 0, block.Length);
            }
            finally
            {
                block.Return();
            }
        }
    }

    private static Block Deflate(byte[] plain, int count)
    {
        try
        {
            // What cannot be compressed grows: by an eighth at worst, when every byte is a literal of nine bits. Closing writes a last block, for
            // which there must be room too, although it is not to be here.
            var packed = ArrayPool<byte>.Shared.Rent(count + (count / 4) + 1024);
            using var sink = new MemoryStream(packed);
            using var deflate = new DeflateStream(sink, new ZLibCompressionOptions { CompressionLevel = Level }, leaveOpen: true);
            deflate.Write(plain, 0, count);
            deflate.Flush();
            return new Block(packed, (int)sink.Position);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(plain);
        }
    }

    /// <summary>Of zlib's levels: a third less work than the usual one, and three in a hundred larger.</summary>
    private const int Level = 3;

    private readonly record struct Block(byte[] Data, int Length)
    {
        public void Return() => ArrayPool<byte>.Shared.Return(Data);
    }
}
