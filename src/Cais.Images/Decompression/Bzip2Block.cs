namespace Cais.Images.Decompression;

/// <summary>One block of a bzip2 stream: Huffman codes, move-to-front, Burrows-Wheeler and run lengths undone, in this order.</summary>
internal sealed class Bzip2Block(BitSource bits, int size)
{
    private const int GroupLength = 50;
    private const int LongestCode = 20;
    private const int MostSelectors = 18_002;
    private const int MostSymbols = 258;

    /// <summary>For each position: the byte in the low eight bits, the next position above them.</summary>
    private readonly uint[] _chain = new uint[size];
    private readonly byte[] _selectors = new byte[MostSelectors];
    private int _left;
    private uint _next;
    private int _repeat;
    private int _same;
    private int _last;

    /// <summary>Reads and undoes all but the last stage, which <see cref="Read"/> does as it goes.</summary>
    public void Decode()
    {
        if (bits.Read(1) != 0)
        {
            throw new InvalidDataException("the bzip2 file uses randomised blocks, which nothing has written since 1999");
        }

        var origin = bits.Read(24);
        Span<byte> alphabet = stackalloc byte[256];
        alphabet = alphabet[..ReadAlphabet(alphabet)];
        var tables = ReadTables(alphabet.Length + 2, out var selectors);
        var length = ReadSymbols(alphabet, tables, selectors);
        if (origin >= length)
        {
            throw Bzip2Stream.Bad("block");
        }

        Sort(length);
        _next = _chain[origin] >> 8;
        _left = length;
        (_repeat, _same, _last) = (0, 0, -1);
    }

    /// <summary>The block's next bytes; 0 at its end.</summary>
    public int Read(Span<byte> buffer)
    {
        var n = 0;
        while (n < buffer.Length)
        {
            if (_repeat > 0)
            {
                var run = Math.Min(_repeat, buffer.Length - n);
                buffer.Slice(n, run).Fill((byte)_last);
                n += run;
                _repeat -= run;
                continue;
            }

            if (_left == 0)
            {
                return n;
            }

            var entry = _chain[_next];
            _next = entry >> 8;
            _left--;
            var value = (int)(entry & 0xFF);
            if (_same == 4)
            {
                // After four of the same comes how many more.
                _repeat = value;
                _same = 0;
                continue;
            }

            _same = value == _last ? _same + 1 : 1;
            _last = value;
            buffer[n++] = (byte)value;
        }

        return n;
    }

    private int ReadAlphabet(Span<byte> alphabet)
    {
        var ranges = bits.Read(16);
        var count = 0;
        for (var i = 0; i < 16; i++)
        {
            if ((ranges & (0x8000u >> i)) == 0)
            {
                continue;
            }

            var range = bits.Read(16);
            for (var j = 0; j < 16; j++)
            {
                if ((range & (0x8000u >> j)) != 0)
                {
                    alphabet[count++] = (byte)((i * 16) + j);
                }
            }
        }

        return count > 0 ? count : throw Bzip2Stream.Bad("block");
    }

    private HuffmanTable[] ReadTables(int symbols, out int selectors)
    {
        var count = (int)bits.Read(3);
        selectors = (int)bits.Read(15);
        if (count is < 2 or > 6 || selectors == 0)
        {
            throw Bzip2Stream.Bad("block");
        }

        Span<byte> order = [0, 1, 2, 3, 4, 5];
        for (var i = 0; i < selectors; i++)
        {
            var at = 0;
            while (bits.Read(1) != 0)
            {
                if (++at >= count)
                {
                    throw Bzip2Stream.Bad("block");
                }
            }

            var chosen = order[at];
            order[..at].CopyTo(order[1..]);
            order[0] = chosen;
            if (i < MostSelectors)
            {
                // Some compressors pad the list beyond what a block can need.
                _selectors[i] = chosen;
            }
        }

        selectors = Math.Min(selectors, MostSelectors);
        var tables = new HuffmanTable[count];
        Span<byte> lengths = stackalloc byte[MostSymbols];
        for (var t = 0; t < count; t++)
        {
            var length = (int)bits.Read(5);
            for (var s = 0; s < symbols; s++)
            {
                while (true)
                {
                    if (length is < 1 or > LongestCode)
                    {
                        throw Bzip2Stream.Bad("block");
                    }

                    if (bits.Read(1) == 0)
                    {
                        break;
                    }

                    length += bits.Read(1) == 0 ? 1 : -1;
                }

                lengths[s] = (byte)length;
            }

            tables[t] = new HuffmanTable(lengths[..symbols]);
        }

        return tables;
    }

    private int ReadSymbols(Span<byte> alphabet, HuffmanTable[] tables, int selectors)
    {
        var end = alphabet.Length + 1;
        var length = 0;
        var run = 0;
        var runUnit = 1;
        var table = tables[0];
        for (var (group, inGroup) = (0, 0); ; inGroup--)
        {
            if (inGroup == 0)
            {
                if (group == selectors)
                {
                    throw Bzip2Stream.Bad("block");
                }

                table = tables[_selectors[group++]];
                inGroup = GroupLength;
            }

            var symbol = table.Read(bits);
            if (symbol <= 1)
            {
                // Run lengths in base 2 with the digits 1 and 2, the lowest first.
                run += runUnit << symbol;
                runUnit <<= 1;
                if (run > size)
                {
                    throw Bzip2Stream.Bad("block");
                }

                continue;
            }

            if (run > 0)
            {
                if (run > size - length)
                {
                    throw Bzip2Stream.Bad("block");
                }

                _chain.AsSpan(length, run).Fill(alphabet[0]);
                length += run;
                (run, runUnit) = (0, 1);
            }

            if (symbol == end)
            {
                return length;
            }

            if (length == size)
            {
                throw Bzip2Stream.Bad("block");
            }

            var at = symbol - 1;
            var value = alphabet[at];
            alphabet[..at].CopyTo(alphabet[1..]);
            alphabet[0] = value;
            _chain[length++] = value;
        }
    }

    /// <summary>Links each position to the one that follows it in the text.</summary>
    private void Sort(int length)
    {
        Span<int> starts = stackalloc int[256];
        starts.Clear();
        foreach (var value in _chain.AsSpan(0, length))
        {
            starts[(int)value]++;
        }

        var sum = 0;
        for (var i = 0; i < 256; i++)
        {
            (starts[i], sum) = (sum, sum + starts[i]);
        }

        for (var i = 0; i < length; i++)
        {
            _chain[starts[(int)(_chain[i] & 0xFF)]++] |= (uint)i << 8;
        }
    }

    /// <summary>Canonical codes of at most twenty bits.</summary>
    private sealed class HuffmanTable
    {
        private const int FastBits = 10;

        private readonly ushort[] _fast = new ushort[1 << FastBits];
        private readonly ushort[] _symbols;
        private readonly int[] _limit = new int[LongestCode + 2];
        private readonly int[] _offset = new int[LongestCode + 2];

        public HuffmanTable(ReadOnlySpan<byte> lengths)
        {
            Span<int> count = stackalloc int[LongestCode + 2];
            count.Clear();
            foreach (var length in lengths)
            {
                count[length]++;
            }

            _symbols = new ushort[lengths.Length];
            Span<int> next = stackalloc int[LongestCode + 2];
            var (code, at) = (0, 0);
            for (var length = 1; length <= LongestCode; length++)
            {
                next[length] = at;
                _offset[length] = at - code;
                code += count[length];
                at += count[length];
                if (code > 1 << length)
                {
                    throw Bzip2Stream.Bad("block");
                }

                // Exclusive, as if it were of full length: what is below has this length or a shorter one.
                _limit[length] = code << (LongestCode - length);
                code <<= 1;
            }

            for (var symbol = 0; symbol < lengths.Length; symbol++)
            {
                _symbols[next[lengths[symbol]]++] = (ushort)symbol;
            }

            for (var i = 0; i < _fast.Length; i++)
            {
                var bits = i << (LongestCode - FastBits);
                for (var length = 1; length <= FastBits; length++)
                {
                    if (bits < _limit[length])
                    {
                        _fast[i] = (ushort)((_symbols[(bits >> (LongestCode - length)) + _offset[length]] << 5) | length);
                        break;
                    }
                }
            }
        }

        public int Read(BitSource from)
        {
            var bits = (int)from.Peek(LongestCode);
            int fast = _fast[bits >> (LongestCode - FastBits)];
            if (fast != 0)
            {
                from.Take(fast & 31);
                return fast >> 5;
            }

            for (var length = FastBits + 1; length <= LongestCode; length++)
            {
                if (bits < _limit[length])
                {
                    from.Take(length);
                    return _symbols[(bits >> (LongestCode - length)) + _offset[length]];
                }
            }

            throw Bzip2Stream.Bad("block");
        }
    }
}
