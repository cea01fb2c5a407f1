namespace Cais.Images.Decompression;

/// <summary>
/// LZMA2: chunks, each stored or compressed with LZMA, over one dictionary. The dictionary grows as it is needed up to what the block announces, which is
/// bounded here, so that a small file cannot ask for much memory.
/// </summary>
internal sealed class Lzma2Decoder(ByteSource source)
{
    /// <summary>What <c>xz -9</c> needs is 64 MiB.</summary>
    private const int LargestDictionary = 256 * 1024 * 1024;

    private const int LargestChunk = 2 * 1024 * 1024;

    private readonly LzmaDecoder _lzma = new();
    private byte[] _window = [];
    private int _dictionary;

    /// <summary>Decoded bytes in the window; those before <see cref="_given"/> have been handed out.</summary>
    private int _length;
    private int _given;

    /// <summary>How far back a match may reach: bytes since the dictionary was last begun.</summary>
    private int _valid;

    /// <summary>Bytes since then, of which LZMA looks at the lowest bits.</summary>
    private uint _position;
    private bool _needsDictionary;
    private bool _needsProperties;
    private bool _ended;

    /// <summary>Begins a block. <paramref name="property"/> is its dictionary's size as the format writes it.</summary>
    public void Begin(byte property)
    {
        var size = property switch
        {
            > 40 => throw Bad(),
            40 => uint.MaxValue,
            _ => (2ul | (property & 1u)) << ((property / 2) + 11),
        };
        _dictionary = size <= LargestDictionary
            ? (int)size
            : throw new InvalidDataException($"the xz file needs a dictionary of {size / (1024 * 1024)} MiB, more than the {LargestDictionary / (1024 * 1024)} MiB that are allowed");
        (_length, _given, _valid) = (0, 0, 0);
        (_needsDictionary, _needsProperties) = (true, true);
        _ended = false;
    }

    /// <summary>The next bytes; 0 at the block's end.</summary>
    public int Read(Span<byte> buffer)
    {
        while (_given == _length)
        {
            if (_ended)
            {
                return 0;
            }

            ReadChunk();
        }

        var n = Math.Min(buffer.Length, _length - _given);
        _window.AsSpan(_given, n).CopyTo(buffer);
        _given += n;
        return n;
    }

    private void ReadChunk()
    {
        var control = source.ReadByte();
        if (control == 0)
        {
            _ended = true;
            return;
        }

        if (control is 1 or >= 0xE0)
        {
            (_needsDictionary, _needsProperties) = (false, true);
            (_valid, _position) = (0, 0);
        }
        else if (_needsDictionary)
        {
            throw Bad();
        }

        if (control < 0x80)
        {
            ReadStored(control);
            return;
        }

        var size = (((control & 0x1F) << 16) | (source.ReadByte() << 8) | source.ReadByte()) + 1;
        var compressed = ((source.ReadByte() << 8) | source.ReadByte()) + 1;
        if (control >= 0xC0)
        {
            _needsProperties = !_lzma.TrySetProperties(source.ReadByte());
        }

        if (_needsProperties)
        {
            throw Bad();
        }

        if (control >= 0xA0)
        {
            _lzma.ResetState();
        }

        MakeRoom(size);
        source.ReadExactly(_lzma.Input(compressed));
        if (!_lzma.Decode(_window, _length, size, _valid, _position))
        {
            throw Bad();
        }

        Advance(size);
    }

    private void ReadStored(byte control)
    {
        if (control > 2)
        {
            throw Bad();
        }

        var size = ((source.ReadByte() << 8) | source.ReadByte()) + 1;
        MakeRoom(size);
        source.ReadExactly(_window.AsSpan(_length, size));
        Advance(size);
    }

    private void Advance(int size)
    {
        _length += size;
        _position += (uint)size;
        _valid = Math.Min(_valid + size, _dictionary);
    }

    private void MakeRoom(int size)
    {
        if (_length + size <= _window.Length)
        {
            return;
        }

        var keep = _valid;

        // Beyond the dictionary there is room for a good deal more, so that it is rarely moved.
        var largest = _dictionary + Math.Max(2 * LargestChunk, _dictionary / 4);
        if (_window.Length < largest && keep + size > _window.Length / 2)
        {
            var larger = new byte[(int)Math.Min(Math.Max((long)_window.Length * 2, keep + size + LargestChunk), largest)];
            _window.AsSpan(_length - keep, keep).CopyTo(larger);
            _window = larger;
        }
        else
        {
            _window.AsSpan(_length - keep, keep).CopyTo(_window);
        }

        _length = _given = keep;
    }

    private static InvalidDataException Bad() => new("the xz file's compressed data is damaged");
}
