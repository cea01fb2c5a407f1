namespace Cais.Build.Language;

/// <summary>A place in a Dockerfile. Lines and columns count from 1; columns are UTF-16 code units.</summary>
public readonly record struct Position(int Line, int Column) : IComparable<Position>
{
    public int CompareTo(Position other) => Line != other.Line ? Line.CompareTo(other.Line) : Column.CompareTo(other.Column);

    public override string ToString() => $"{Line}:{Column}";

    public static bool operator <(Position left, Position right) => left.CompareTo(right) < 0;

    public static bool operator >(Position left, Position right) => left.CompareTo(right) > 0;

    public static bool operator <=(Position left, Position right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Position left, Position right) => left.CompareTo(right) >= 0;
}

/// <summary>From the first character up to, not including, <paramref name="End"/>.</summary>
public readonly record struct SourceRange(Position Start, Position End)
{
    public static SourceRange OfLine(int line) => new(new Position(line, 1), new Position(line, 1));
}
