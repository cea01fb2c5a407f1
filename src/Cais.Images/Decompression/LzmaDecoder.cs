namespace Cais.Images.Decompression;

/// <summary>
/// LZMA as LZMA2 uses it (7-Zip's lzma-specification): one chunk at a time, from a buffer into a window that also is the dictionary. Its models stay from chunk to
/// chunk until they are reset.
/// </summary>
internal sealed unsafe class LzmaDecoder
{
    private const int LargestInput = 65536;

    // Room for the reads past the end that a damaged chunk may provoke within one symbol, before it is noticed.
    private const int Slack = 64;

    private const int States = 12;
    private const int IsMatch = 0;
    private const int IsRep = IsMatch + (States << 4);
    private const int IsRepG0 = IsRep + States;
    private const int IsRepG1 = IsRepG0 + States;
    private const int IsRepG2 = IsRepG1 + States;
    private const int IsRep0Long = IsRepG2 + States;
    private const int PositionSlot = IsRep0Long + (States << 4);
    private const int PositionSpecial = PositionSlot + (4 << 6);
    private const int Align = PositionSpecial + 128;
    private const int MatchLength = Align + 16;
    private const int LengthChoice2 = 1;
    private const int LengthLow = 2;
    private const int LengthMid = LengthLow + (16 << 3);
    private const int LengthHigh = LengthMid + (16 << 3);
    private const int LengthModels = LengthHigh + 256;
    private const int RepLength = MatchLength + LengthModels;
    private const int Literal = RepLength + LengthModels;
    private const int MostModels = Literal + (0x300 << 4);
    private const ushort Even = 1024;

    private readonly ushort[] _models = new ushort[MostModels];
    private readonly byte[] _input = new byte[LargestInput + Slack];
    private int _inputLength;
    private int _literalContext;
    private int _literalMask;
    private int _positionMask;
    private int _state;
    private uint _rep0;
    private uint _rep1;
    private uint _rep2;
    private uint _rep3;

    // The range coder.
    private uint _range;
    private uint _code;
    private byte* _at;

    /// <summary>False if the byte stands for no valid combination.</summary>
    public bool TrySetProperties(byte value)
    {
        if (value > (4 * 5 + 4) * 9 + 8)
        {
            return false;
        }

        var (lc, rest) = (value % 9, value / 9);
        var (lp, pb) = (rest % 5, rest / 5);
        _literalContext = lc;
        _literalMask = (1 << lp) - 1;
        _positionMask = (1 << pb) - 1;
        return lc + lp <= 4;
    }

    public void ResetState()
    {
        _models.AsSpan().Fill(Even);
        _state = 0;
        _rep0 = _rep1 = _rep2 = _rep3 = 0;
    }

    /// <summary>Where the next chunk's compressed bytes go.</summary>
    public Span<byte> Input(int length)
    {
        _inputLength = length;
        _input.AsSpan(length, Slack).Clear();
        return _input.AsSpan(0, length);
    }

    /// <summary>
    /// Decodes the chunk into <paramref name="window"/> from <paramref name="start"/> on, exactly <paramref name="size"/> bytes; <paramref name="valid"/> bytes before that are dictionary,
    /// and <paramref name="position"/> counts the bytes since it began.
    /// False if the chunk is damaged.
    /// </summary>
    public bool Decode(byte[] window, int start, int size, int valid, uint position)
    {
        if (_inputLength < 5 || _input[0] != 0)
        {
            return false;
        }

        fixed (byte* input = _input)
        fixed (byte* output = window)
        fixed (ushort* models = _models)
        {
            _range = uint.MaxValue;
            _code = ((uint)input[1] << 24) | ((uint)input[2] << 16) | ((uint)input[3] << 8) | input[4];
            _at = input + 5;
            var ok = Run(models, output + start, output + start + size, output + start - valid, input + _inputLength, position);

            // A coder that has given its last symbol has used its input up and holds nothing back.
            Normalize();
            return ok && _at == input + _inputLength && _code == 0;
        }
    }

    private bool Run(ushort* models, byte* to, byte* end, byte* low, byte* inputEnd, uint start)
    {
        var state = _state;
        var begin = to;
        while (to < end)
        {
            if (_at > inputEnd)
            {
                return false;
            }

            var at = (int)(start + (uint)(to - begin));
            var position = at & _positionMask;
            if (Bit(models + IsMatch + (state << 4) + position) == 0)
            {
                var previous = to > low ? to[-1] : 0;
                var literal = models + Literal + (0x300 * (((at & _literalMask) << _literalContext) + (previous >> (8 - _literalContext))));
                if (state < 7)
                {
                    *to++ = (byte)Tree(literal, 8);
                }
                else
                {
                    if (_rep0 >= (uint)(to - low))
                    {
                        return false;
                    }

                    *to = MatchedLiteral(literal, to[-(nint)_rep0 - 1]);
                    to++;
                }

                state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
                continue;
            }

            int length;
            if (Bit(models + IsRep + state) == 0)
            {
                (_rep3, _rep2, _rep1) = (_rep2, _rep1, _rep0);
                length = Length(models + MatchLength, position);
                state = state < 7 ? 7 : 10;
                _rep0 = Distance(models, length);
            }
            else
            {
                if (Bit(models + IsRepG0 + state) == 0)
                {
                    if (Bit(models + IsRep0Long + (state << 4) + position) == 0)
                    {
                        if (_rep0 >= (uint)(to - low))
                        {
                            return false;
                        }

                        *to = to[-(nint)_rep0 - 1];
                        to++;
                        state = state < 7 ? 9 : 11;
                        continue;
                    }
                }
                else if (Bit(models + IsRepG1 + state) == 0)
                {
                    (_rep0, _rep1) = (_rep1, _rep0);
                }
                else if (Bit(models + IsRepG2 + state) == 0)
                {
                    (_rep0, _rep1, _rep2) = (_rep2, _rep0, _rep1);
                }
                else
                {
                    (_rep0, _rep1, _rep2, _rep3) = (_rep3, _rep0, _rep1, _rep2);
                }

                length = Length(models + RepLength, position);
                state = state < 7 ? 8 : 11;
            }

            if (_rep0 >= (uint)(to - low) || length > end - to)
            {
                // LZMA2 has no end mark, and a match never crosses a chunk's end.
                return false;
            }

            Copy(to, _rep0 + 1, length);
            to += length;
        }

        _state = state;
        return to > begin;
    }

    private static void Copy(byte* to, uint distance, int length)
    {
        var from = to - distance;
        if (distance >= (uint)length)
        {
            new ReadOnlySpan<byte>(from, length).CopyTo(new Span<byte>(to, length));
            return;
        }

        for (var i = 0; i < length; i++)
        {
            to[i] = from[i];
        }
    }

    private byte MatchedLiteral(ushort* models, uint matched)
    {
        uint symbol = 1;
        uint offset = 0x100;
        do
        {
            matched <<= 1;
            var matchBit = matched & offset;
            var bit = Bit(models + offset + matchBit + symbol);
            symbol = (symbol << 1) | bit;
            offset &= bit == 0 ? ~matchBit : matchBit;
        }
        while (symbol < 0x100);
        return (byte)symbol;
    }

    private int Length(ushort* models, int position)
    {
        if (Bit(models) == 0)
        {
            return 2 + (int)Tree(models + LengthLow + (position << 3), 3);
        }

        return Bit(models + LengthChoice2) == 0
            ? 10 + (int)Tree(models + LengthMid + (position << 3), 3)
            : 18 + (int)Tree(models + LengthHigh, 8);
    }

    private uint Distance(ushort* models, int length)
    {
        var slot = Tree(models + PositionSlot + (Math.Min(length - 2, 3) << 6), 6);
        if (slot < 4)
        {
            return slot;
        }

        var direct = (int)(slot >> 1) - 1;
        var distance = (2 | (slot & 1)) << direct;
        if (slot < 14)
        {
            return distance + ReverseTree(models + PositionSpecial + distance - slot, direct);
        }

        return distance + (DirectBits(direct - 4) << 4) + ReverseTree(models + Align, 4);
    }

    private uint Tree(ushort* models, int bits)
    {
        uint symbol = 1;
        for (var i = 0; i < bits; i++)
        {
            symbol = (symbol << 1) | Bit(models + symbol);
        }

        return symbol - (1u << bits);
    }

    private uint ReverseTree(ushort* models, int bits)
    {
        uint node = 1;
        uint symbol = 0;
        for (var i = 0; i < bits; i++)
        {
            var bit = Bit(models + node);
            node = (node << 1) | bit;
            symbol |= bit << i;
        }

        return symbol;
    }

    private uint DirectBits(int count)
    {
        uint value = 0;
        for (; count > 0; count--)
        {
            Normalize();
            _range >>= 1;
            _code -= _range;
            var mask = 0 - (_code >> 31);
            _code += _range & mask;
            value = (value << 1) + mask + 1;
        }

        return value;
    }

    private uint Bit(ushort* model)
    {
        Normalize();
        uint probability = *model;
        var bound = (_range >> 11) * probability;
        if (_code < bound)
        {
            _range = bound;
            *model = (ushort)(probability + ((2048 - probability) >> 5));
            return 0;
        }

        _range -= bound;
        _code -= bound;
        *model = (ushort)(probability - (probability >> 5));
        return 1;
    }

    private void Normalize()
    {
        if (_range < 1u << 24)
        {
            _range <<= 8;
            _code = (_code << 8) | *_at++;
        }
    }
}
