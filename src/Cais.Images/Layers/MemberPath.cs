namespace Cais.Images.Layers;

/// <summary>
/// An archive member's path made safe to use below a directory: without leading slash, empty parts, <c>.</c>, and <c>..</c> taken back lexically as
/// Docker does. Kept as the parent's path and the last name, each ending in NUL for the kernel. Reused from member to member.
/// </summary>
internal sealed class MemberPath
{
    private const int LongestPath = 4095;

    private byte[] _bytes = new byte[512];
    private int _nameStart;
    private int _length;

    /// <summary>The root of the tree itself.</summary>
    public bool IsRoot => _length == 0;

    /// <summary>The parent's path with NUL; only a NUL if that is the root.</summary>
    public ReadOnlySpan<byte> Parent => _nameStart == 0 ? "\0"u8 : _bytes.AsSpan(0, _nameStart);

    /// <summary>The last name with NUL.</summary>
    public ReadOnlySpan<byte> Name => _bytes.AsSpan(_nameStart, _length - _nameStart);

    /// <summary>The whole path without NUL.</summary>
    public byte[] ToArray()
    {
        var path = _bytes.AsSpan(0, Math.Max(_length - 1, 0)).ToArray();
        if (_nameStart > 0)
        {
            path[_nameStart - 1] = (byte)'/';
        }

        return path;
    }

    /// <summary>Takes a path. False if it leads out of the tree, contains NUL, or is longer than the kernel allows.</summary>
    public bool TrySet(ReadOnlySpan<byte> raw)
    {
        _length = 0;
        _nameStart = 0;
        _bytes[0] = 0;
        if (raw.Length > LongestPath || raw.IndexOf((byte)0) >= 0)
        {
            return false;
        }

        if (_bytes.Length < raw.Length + 2)
        {
            _bytes = new byte[raw.Length * 2];
        }

        // Parts are joined by '/' here; the last joint becomes the NUL that ends the parent.
        var length = 0;
        while (!raw.IsEmpty)
        {
            var slash = raw.IndexOf((byte)'/');
            var part = slash < 0 ? raw : raw[..slash];
            raw = slash < 0 ? default : raw[(slash + 1)..];
            if (part.IsEmpty || part is [(byte)'.'])
            {
                continue;
            }

            if (part is [(byte)'.', (byte)'.'])
            {
                if (length == 0)
                {
                    return false;
                }

                length = Math.Max(_bytes.AsSpan(0, length).LastIndexOf((byte)'/'), 0);
                continue;
            }

            if (length > 0)
            {
                _bytes[length++] = (byte)'/';
            }

            part.CopyTo(_bytes.AsSpan(length));
            length += part.Length;
        }

        _bytes[length] = 0;
        if (length == 0)
        {
            return true;
        }

        var joint = _bytes.AsSpan(0, length).LastIndexOf((byte)'/');
        _nameStart = joint + 1;
        if (joint >= 0)
        {
            _bytes[joint] = 0;
        }

        _length = length + 1;
        return true;
    }
}
