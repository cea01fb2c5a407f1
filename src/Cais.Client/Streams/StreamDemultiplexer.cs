using System.Buffers.Binary;
using System.Text;

namespace Cais.Client.Streams;

/// <summary>
/// Takes apart the frames in which output and error output share one connection: one byte stream number (0 and 1 output, 2 error
/// output, 3 a message of the daemon), three zero bytes, the length as a big-endian 32-bit number, then that many bytes.
/// </summary>
public static class StreamDemultiplexer
{
    private const int HeaderLength = 8;

    /// <summary>Copies until the source ends.</summary>
    /// <param name="source">The multiplexed stream.</param>
    /// <param name="output">Receives stream 0 and 1.</param>
    /// <param name="error">Receives stream 2.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidDataException">The stream is not framed, or ends inside a frame.</exception>
    /// <exception cref="IOException">The daemon reported an error of its own.</exception>
    public static async Task CopyAsync(Stream source, Stream output, Stream error, CancellationToken cancellationToken = default)
    {
        var buffer = new byte[32 * 1024];
        int start = 0, end = 0;
        while (true)
        {
            while (end - start < HeaderLength)
            {
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                (start, end) = (0, end - start);
                var read = await source.ReadAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    if (end == 0)
                    {
                        return;
                    }

                    throw new InvalidDataException("the daemon's output stream ends inside a frame");
                }

                end += read;
            }

            var number = buffer[start];
            long length = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(start + 4));
            start += HeaderLength;
            var target = number switch
            {
                0 or 1 => output,
                2 => error,
                3 => null,
                _ => throw new InvalidDataException($"unrecognized input header: {number}"),
            };
            var message = target is null ? new MemoryStream() : null;
            while (length > 0)
            {
                if (start == end)
                {
                    start = 0;
                    end = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
                    if (end == 0)
                    {
                        throw new InvalidDataException("the daemon's output stream ends inside a frame");
                    }
                }

                var count = (int)Math.Min(length, end - start);
                await (target ?? message!).WriteAsync(buffer.AsMemory(start, count), cancellationToken).ConfigureAwait(false);
                start += count;
                length -= count;
            }

            if (message is not null)
            {
                throw new IOException("error from daemon in stream: " + Encoding.UTF8.GetString(message.ToArray()));
            }
        }
    }
}
