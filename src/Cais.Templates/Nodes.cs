
namespace Cais.Templates;

/// <summary>A part of a parsed template. <see cref="object.ToString"/> gives it back in template notation, for error messages.</summary>
internal abstract record Node(int Position);

internal sealed record TextNode(int Position, string Text) : Node(Position);

internal sealed record ListNode(int Position, IReadOnlyList<Node> Nodes) : Node(Position);

internal sealed record ActionNode(int Position, PipeNode Pipe) : Node(Position);

/// <summary>if, range and with: a pipeline that decides, a body, and perhaps an else.</summary>
internal sealed record BranchNode(int Position, string Keyword, PipeNode Pipe, ListNode Body, ListNode? Else) : Node(Position);

internal sealed record TemplateNode(int Position, string Name, PipeNode? Pipe) : Node(Position);

/// <summary>break or continue.</summary>
internal sealed record JumpNode(int Position, string Keyword) : Node(Position);

internal sealed record PipeNode(int Position, IReadOnlyList<string> Variables, bool IsAssignment, IReadOnlyList<CommandNode> Commands) : Node(Position)
{
    public override string ToString() =>
        (Variables.Count > 0 ? string.Join(", ", Variables) + (IsAssignment ? " = " : " := ") : "") + string.Join(" | ", Commands);
}

internal sealed record CommandNode(int Position, IReadOnlyList<Node> Arguments) : Node(Position)
{
    public override string ToString() => string.Join(' ', Arguments.Select(static a => a is PipeNode ? $"({a})" : a.ToString()));
}

internal sealed record DotNode(int Position) : Node(Position)
{
    public override string ToString() => ".";
}

internal sealed record NilNode(int Position) : Node(Position)
{
    public override string ToString() => "nil";
}

internal sealed record ConstantNode(int Position, object Value, string Text) : Node(Position)
{
    public override string ToString() => Text;
}

/// <summary>A function's name.</summary>
internal sealed record IdentifierNode(int Position, string Name) : Node(Position)
{
    public override string ToString() => Name;
}

/// <summary><c>.A.B</c></summary>
internal sealed record FieldNode(int Position, IReadOnlyList<string> Names) : Node(Position)
{
    public override string ToString() => string.Concat(Names.Select(static n => "." + n));
}

/// <summary><c>$x.A.B</c></summary>
internal sealed record VariableNode(int Position, string Name, IReadOnlyList<string> Names) : Node(Position)
{
    public override string ToString() => Name + string.Concat(Names.Select(static n => "." + n));
}

/// <summary><c>(pipeline).A.B</c></summary>
internal sealed record ChainNode(int Position, Node Operand, IReadOnlyList<string> Names) : Node(Position)
{
    public override string ToString() =>
        (Operand is PipeNode ? $"({Operand})" : Operand.ToString()) + string.Concat(Names.Select(static n => "." + n));
}

/// <summary>A template is not one, or does not fit its data. The message is worded as Go's.</summary>
internal sealed class TemplateException(string message) : Exception(message)
{
    /// <summary>Where in the source a position is, as Go counts: line from 1, byte column from 0.</summary>
    public static (int Line, int Column) Locate(string source, int position)
    {
        var before = source.AsSpan(0, Math.Min(position, source.Length));
        var lineStart = before.LastIndexOf('\n') + 1;
        return (before.Count('\n') + 1, System.Text.Encoding.UTF8.GetByteCount(before[lineStart..]));
    }

    public static TemplateException AtLine(string source, int position, string message) =>
        new($"template: :{Locate(source, position).Line}: {message}");

    public static TemplateException Executing(string source, string template, Node node, string message)
    {
        var (line, column) = Locate(source, node.Position);
        return new($"template: :{line}:{column}: executing {GoQuote.Quote(template)} at <{node}>: {message}");
    }
}
