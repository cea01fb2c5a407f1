namespace Cais.Engine.Logs;

/// <summary>Receives a line (with its newline) or a piece of one that is too long.</summary>
internal delegate void LineSink(ReadOnlySpan<byte> line);

/// <summary>Cuts a stream into lines. A line longer than 16 KiB comes in pieces, as with docker.</summary>
internal sealed class LineSplitter(LineSink sink)
{
    public const int LongestPiece = 16 << 10;

    private byte[] _pending = [];
    private int _length;

    public void Push(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var newline = bytes.IndexOf((byte)'\n');
            var take = newline < 0 ? bytes.Length : newline + 1;
            if (_length == 0 && newline >= 0 && take <= LongestPiece + 1)
            {
                sink(bytes[..take]);
            }
            else
            {
                take = Math.Min(take, LongestPiece - _length);
                Keep(bytes[..take]);
                var complete = bytes[take - 1] == (byte)'\n';
                if (complete || (_length == LongestPiece && !(take < bytes.Length && bytes[take] == (byte)'\n')))
                {
                    Release();
                }
                else if (_length == LongestPiece)
                {
                    // The newline belongs to the full piece before it.
                    Keep("\n"u8);
                    take++;
                    Release();
                }
            }

            bytes = bytes[take..];
        }
    }

    /// <summary>The stream has ended: a last line without newline is a line.</summary>
    public void Complete()
    {
        if (_length > 0)
        {
            Release();
        }
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_pending.Length < _length + bytes.Length)
        {
            Array.Resize(ref _pending, Math.Max(_length + bytes.Length, Math.Min(_pending.Length * 2, LongestPiece + 1)));
        }

        bytes.CopyTo(_pending.AsSpan(_length));
        _length += bytes.Length;
    }

    private void Release()
    {
        sink(_pending.AsSpan(0, _length));
        _length = 0;
    }
}
