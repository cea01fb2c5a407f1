namespace Cais.Build.Language.Syntax;

/// <summary>
/// An instruction's text after its continued lines were joined. It still knows where in the file each character stood, so that
/// messages point at the word that is wrong and not at the instruction's first line.
/// </summary>
internal readonly struct LogicalText
{
    private readonly Piece[] _pieces;
    private readonly int _offset;

    public LogicalText(string text, Piece[] pieces) : this(text, pieces, 0)
    {
    }

    private LogicalText(string text, Piece[] pieces, int offset) => (Text, _pieces, _offset) = (text, pieces, offset);

    /// <summary>From <paramref name="Offset"/> in the joined text on, characters stand at <paramref name="Start"/> and after it.</summary>
    public readonly record struct Piece(int Offset, Position Start);

    public string Text { get; }

    public int Length => Text.Length;

    public char this[int index] => Text[index];

    public Position At(int index)
    {
        var offset = _offset + index;
        for (var i = _pieces.Length - 1; i >= 0; i--)
        {
            if (_pieces[i].Offset <= offset)
            {
                return _pieces[i].Start with { Column = _pieces[i].Start.Column + offset - _pieces[i].Offset };
            }
        }

        return default;
    }

    public SourceRange Range(int start, int length) => length == 0 ? new(At(start), At(start)) : new(At(start), After(start + length - 1));

    public SourceRange Whole => Range(0, Length);

    public LogicalText Slice(int start) => Slice(start, Length - start);

    public LogicalText Slice(int start, int length) => new(Text.Substring(start, length), _pieces, _offset + start);

    public LogicalText Trim()
    {
        var start = 0;
        while (start < Length && char.IsWhiteSpace(Text[start]))
        {
            start++;
        }

        var end = Length;
        while (end > start && char.IsWhiteSpace(Text[end - 1]))
        {
            end--;
        }

        return Slice(start, end - start);
    }

    public override string ToString() => Text;

    private Position After(int index)
    {
        var at = At(index);
        return at with { Column = at.Column + 1 };
    }
}
