using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Cais.Client.Http;

/// <summary>One HTTP/1.1 connection, one exchange at a time (RFC 9112). Not thread-safe, except that a body may be sent while the response is read.</summary>
internal sealed class HttpConnection(DuplexStream stream) : IDisposable
{
    /// <summary>Longest accepted response head. The Engine API's are a few hundred bytes; an endless one is an attack or not HTTP.</summary>
    private const int MaximumHead = 64 * 1024;

    private byte[] _buffer = new byte[8 * 1024];
    private int _start;
    private int _end;

    public DuplexStream Stream => stream;

    /// <summary>Bytes that arrived behind what has been consumed so far.</summary>
    public ReadOnlyMemory<byte> Buffered => _buffer.AsMemory(_start, _end - _start);

    /// <summary>True once this connection has served an exchange: the peer may then have closed it meanwhile.</summary>
    public bool Reused { get; set; }

    /// <summary>Sends the head and, when there is one, a body whose length is known, in one write.</summary>
    public ValueTask SendAsync(string head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var message = new byte[Encoding.UTF8.GetByteCount(head) + body.Length];
        var length = Encoding.UTF8.GetBytes(head, message);
        body.Span.CopyTo(message.AsSpan(length));
        return stream.WriteAsync(message, cancellationToken);
    }

    /// <summary>Sends a body of unknown length in chunks, with the end mark.</summary>
    public async ValueTask SendChunkedAsync(Stream body, CancellationToken cancellationToken)
    {
        // Room for the size line in front and the line end behind, so that a chunk is one write.
        const int SizeLine = 10;
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var read = await body.ReadAsync(buffer.AsMemory(SizeLine, buffer.Length - SizeLine - 2), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }

            Utf8Formatter.TryFormat(read, buffer, out var digits, new System.Buffers.StandardFormat('x', 8));
            "\r\n"u8.CopyTo(buffer.AsSpan(digits));
            "\r\n"u8.CopyTo(buffer.AsSpan(SizeLine + read));
            await stream.WriteAsync(buffer.AsMemory(0, SizeLine + read + 2), cancellationToken).ConfigureAwait(false);
        }

        await stream.WriteAsync("0\r\n\r\n"u8.ToArray(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads the next final response head, passing over 100 Continue and other interim ones.</summary>
    /// <exception cref="EndOfStreamException">The peer closed before it answered.</exception>
    public async ValueTask<ResponseHead> ReadHeadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var length = await ReadThroughBlankLineAsync(cancellationToken).ConfigureAwait(false);
            var head = Parse(_buffer.AsSpan(_start, length));
            _start += length;
            if (head.Status is >= 200 or 101)
            {
                return head;
            }
        }
    }

    /// <summary>Bytes of the body in raw form: what was buffered first, then the connection's. 0 at its end.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_end > _start)
        {
            var count = Math.Min(buffer.Length, _end - _start);
            _buffer.AsMemory(_start, count).CopyTo(buffer);
            _start += count;
            return count;
        }

        return await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads the size line of the next chunk. The line end of the one before it is passed over when <paramref name="first"/> is false.</summary>
    public async ValueTask<long> ReadChunkSizeAsync(bool first, CancellationToken cancellationToken)
    {
        if (!first && (await ReadLineAsync(cancellationToken).ConfigureAwait(false)).Length != 0)
        {
            throw new InvalidDataException("malformed HTTP response: chunk without its line end");
        }

        var line = await ReadLineAsync(cancellationToken).ConfigureAwait(false);
        var extension = line.IndexOf(';');
        var digits = (extension < 0 ? line : line[..extension]).Trim();
        if (!long.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var size) || size < 0)
        {
            throw new InvalidDataException("malformed HTTP response: chunk size \"" + digits + "\"");
        }

        if (size == 0)
        {
            while ((await ReadLineAsync(cancellationToken).ConfigureAwait(false)).Length != 0)
            {
                // Trailer fields: none mean anything to this API.
            }
        }

        return size;
    }

    public void Dispose() => stream.Dispose();

    private async ValueTask<string> ReadLineAsync(CancellationToken cancellationToken)
    {
        var scanned = 0;
        while (true)
        {
            var end = _buffer.AsSpan(_start + scanned, _end - _start - scanned).IndexOf((byte)'\n');
            if (end >= 0)
            {
                var length = scanned + end;
                var line = _buffer.AsSpan(_start, length);
                _start += length + 1;
                return Encoding.Latin1.GetString(line.TrimEnd((byte)'\r'));
            }

            scanned = _end - _start;
            await FillAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<int> ReadThroughBlankLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var seen = _buffer.AsSpan(_start, _end - _start);
            var end = seen.IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                return end + 4;
            }

            await FillAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length)
        {
            if (_buffer.Length >= MaximumHead)
            {
                throw new InvalidDataException("malformed HTTP response: its head has no end");
            }

            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
        if (read == 0)
        {
            throw new EndOfStreamException("the daemon closed the connection before its answer was complete");
        }

        _end += read;
    }

    private static ResponseHead Parse(ReadOnlySpan<byte> bytes)
    {
        var line = bytes.IndexOf("\r\n"u8);
        var status = bytes[..line];
        if (!status.StartsWith("HTTP/1."u8) || status.Length < 12
            || !Utf8Parser.TryParse(status[9..12], out int code, out _) || code < 100)
        {
            throw new InvalidDataException("malformed HTTP response: \"" + Encoding.Latin1.GetString(status[..Math.Min(status.Length, 60)]) + '"');
        }

        var head = new ResponseHead { Status = code };
        bytes = bytes[(line + 2)..];
        while ((line = bytes.IndexOf("\r\n"u8)) > 0)
        {
            var colon = bytes[..line].IndexOf((byte)':');
            if (colon > 0)
            {
                head.Add(
                    Encoding.Latin1.GetString(bytes[..colon]),
                    Encoding.UTF8.GetString(bytes[(colon + 1)..line].Trim(" \t"u8)));
            }

            bytes = bytes[(line + 2)..];
        }

        return head;
    }
}
