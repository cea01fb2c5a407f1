using System.Text.Json;

namespace Cais.Client;

/// <summary>A stream of JSON values, one behind the other, with or without line ends between them.</summary>
public sealed class JsonStream(Stream body)
{
    /// <summary>Longest value accepted; the API's are a few kilobytes.</summary>
    private const int MaximumValue = 64 * 1024 * 1024;

    private byte[] _buffer = new byte[4 * 1024];
    private int _start;
    private int _end;
    private bool _ended;

    /// <summary>The next value, or null at the end of the stream. The caller disposes it.</summary>
    /// <exception cref="InvalidDataException">What came is not JSON.</exception>
    public async ValueTask<JsonDocument?> NextAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (TryTake() is { } value)
            {
                return value;
            }

            if (_ended)
            {
                return null;
            }

            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                (_start, _end) = (0, _end - _start);
            }

            if (_end == _buffer.Length)
            {
                if (_buffer.Length >= MaximumValue)
                {
                    throw new InvalidDataException($"a JSON value in the daemon's answer is longer than {MaximumValue} bytes");
                }

                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            var read = await body.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            _ended = read == 0;
            _end += read;
        }
    }

    private JsonDocument? TryTake()
    {
        var pending = _buffer.AsSpan(_start, _end - _start);
        var blank = pending.IndexOfAnyExcept(" \t\r\n"u8);
        if (blank < 0)
        {
            _start = _end;
            return null;
        }

        _start += blank;
        try
        {
            var reader = new Utf8JsonReader(_buffer.AsSpan(_start, _end - _start), _ended, default);
            if (!JsonDocument.TryParseValue(ref reader, out var document))
            {
                return null;
            }

            // The document refers to memory of its own: parsed from a span it copied what it keeps.
            _start += (int)reader.BytesConsumed;
            return document;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"the daemon's answer is not JSON: {e.Message}", e);
        }
    }
}
