
namespace Cais.Templates;

/// <summary>Builds the tree of a template from its tokens, with the grammar and the error sentences of Go's text/template.</summary>
internal sealed class TemplateParser
{
    private readonly string _source;
    private readonly IReadOnlyList<Token> _tokens;
    private readonly IReadOnlyDictionary<string, TemplateFunction> _functions;
    private readonly Dictionary<string, ListNode> _templates = [];
    private readonly List<string> _variables = ["$"];
    private int _next;
    private int _rangeDepth;

    private TemplateParser(string source, IReadOnlyDictionary<string, TemplateFunction> functions)
    {
        _source = source;
        _functions = functions;
        _tokens = Lexer.Scan(source);
    }

    /// <exception cref="TemplateException">The source is not a template.</exception>
    public static Template Parse(string source, IReadOnlyDictionary<string, TemplateFunction> functions)
    {
        var parser = new TemplateParser(source, functions);
        var nodes = new List<Node>();
        while (parser.Peek().Kind != TokenKind.End)
        {
            if (parser.ParseItem() is { } node)
            {
                if (node is EndMark mark)
                {
                    throw parser.Error($"unexpected {{{{{mark.Keyword}}}}}");
                }

                nodes.Add(node);
            }
        }

        parser._templates[""] = new ListNode(0, nodes);
        return new Template(source, parser._templates, functions);
    }

    /// <summary>end or else: closes a list.</summary>
    private sealed record EndMark(int Position, string Keyword) : Node(Position);

    private Token Next() => _tokens[_next < _tokens.Count - 1 ? _next++ : _next];

    private Token Peek() => _tokens[_next];

    private Token PeekNonSpace()
    {
        while (Peek().Kind == TokenKind.Space)
        {
            _next++;
        }

        return Peek();
    }

    private Token NextNonSpace()
    {
        PeekNonSpace();
        return Next();
    }

    private TemplateException Error(string message, int? position = null) =>
        TemplateException.AtLine(_source, position ?? Peek().Position, message);

    private TemplateException Unexpected(Token token, string context) =>
        token.Kind == TokenKind.Error
            ? Error(token.Text, token.Position)
            : Error($"unexpected {token} in {context}", token.Position);

    private Token Expect(TokenKind kind, string context)
    {
        var token = NextNonSpace();
        return token.Kind == kind ? token : throw Unexpected(token, context);
    }

    /// <summary>Text or an action; null for a definition, which leaves nothing behind.</summary>
    private Node? ParseItem()
    {
        var token = Next();
        switch (token.Kind)
        {
            case TokenKind.Text:
                return new TextNode(token.Position, token.Text);
            case TokenKind.LeftDelimiter:
                return ParseAction();
            case TokenKind.Error:
                throw Error(token.Text, token.Position);
            default:
                throw Unexpected(token, "input");
        }
    }

    private Node? ParseAction()
    {
        var token = PeekNonSpace();
        if (token.Kind == TokenKind.Keyword)
        {
            Next();
            switch (token.Text)
            {
                case "if" or "range" or "with":
                    return ParseBranch(token);
                case "else":
                    return ParseElse(token);
                case "end":
                    Expect(TokenKind.RightDelimiter, "end");
                    return new EndMark(token.Position, "end");
                case "define":
                    ParseDefine(token);
                    return null;
                case "block":
                    return ParseBlock(token);
                case "template":
                    return ParseTemplate();
                default:
                    if (_rangeDepth == 0)
                    {
                        throw Error($"{{{{{token.Text}}}}} outside {{{{range}}}}", token.Position);
                    }

                    Expect(TokenKind.RightDelimiter, token.Text);
                    return new JumpNode(token.Position, token.Text);
            }
        }

        return new ActionNode(token.Position, ParsePipeline("command", TokenKind.RightDelimiter));
    }

    private EndMark ParseElse(Token token)
    {
        var next = PeekNonSpace();
        if (next is { Kind: TokenKind.Keyword, Text: "if" or "with" })
        {
            return new EndMark(next.Position, "else " + next.Text);
        }

        Expect(TokenKind.RightDelimiter, "else");
        return new EndMark(token.Position, "else");
    }

    private BranchNode ParseBranch(Token keyword)
    {
        var scope = _variables.Count;
        var pipe = ParsePipeline(keyword.Text, TokenKind.RightDelimiter);
        _rangeDepth += keyword.Text == "range" ? 1 : 0;
        var (body, mark) = ParseList();
        _rangeDepth -= keyword.Text == "range" ? 1 : 0;
        ListNode? otherwise = null;
        if (mark.Keyword == "else")
        {
            (otherwise, mark) = ParseList();
            if (mark.Keyword != "end")
            {
                throw Error($"expected end; found {{{{{mark.Keyword}}}}}", mark.Position);
            }
        }
        else if (mark.Keyword.StartsWith("else ", StringComparison.Ordinal))
        {
            // "else if" is an if of its own in the else, which shares the end.
            var chained = Next();
            if (keyword.Text == "range" || (keyword.Text == "if") != (chained.Text == "if"))
            {
                throw Unexpected(chained, keyword.Text);
            }

            otherwise = new ListNode(chained.Position, [ParseBranch(chained)]);
        }

        _variables.RemoveRange(scope, _variables.Count - scope);
        return new BranchNode(keyword.Position, keyword.Text, pipe, body, otherwise);
    }

    private (ListNode List, EndMark Mark) ParseList()
    {
        var nodes = new List<Node>();
        var start = Peek().Position;
        while (Peek().Kind != TokenKind.End)
        {
            switch (ParseItem())
            {
                case EndMark mark:
                    return (new ListNode(start, nodes), mark);
                case { } node:
                    nodes.Add(node);
                    break;
            }
        }

        throw Error("unexpected EOF");
    }

    private void ParseDefine(Token keyword)
    {
        var name = ParseName(NextNonSpace(), "define clause");
        Expect(TokenKind.RightDelimiter, "define clause");
        _templates[name] = ParseDefinition(keyword);
    }

    private TemplateNode ParseBlock(Token keyword)
    {
        var name = ParseName(NextNonSpace(), "block clause");
        var pipe = ParsePipeline("block clause", TokenKind.RightDelimiter);
        _templates[name] = ParseDefinition(keyword);
        return new TemplateNode(keyword.Position, name, pipe);
    }

    private ListNode ParseDefinition(Token keyword)
    {
        // A definition sees none of the variables around it.
        var outer = _variables.ToList();
        _variables.Clear();
        _variables.Add("$");
        var (body, mark) = ParseList();
        if (mark.Keyword != "end")
        {
            throw Error($"unexpected {{{{{mark.Keyword}}}}} in {keyword.Text} clause", mark.Position);
        }

        _variables.Clear();
        _variables.AddRange(outer);
        return body;
    }

    private TemplateNode ParseTemplate()
    {
        var token = NextNonSpace();
        var name = ParseName(token, "template clause");
        if (PeekNonSpace().Kind == TokenKind.RightDelimiter)
        {
            Next();
            return new TemplateNode(token.Position, name, null);
        }

        return new TemplateNode(token.Position, name, ParsePipeline("template clause", TokenKind.RightDelimiter));
    }

    private string ParseName(Token token, string context) =>
        token.Kind is TokenKind.String or TokenKind.RawString ? Unquote(token) : throw Unexpected(token, context);

    private PipeNode ParsePipeline(string context, TokenKind end)
    {
        var start = PeekNonSpace().Position;
        var (variables, assignment) = ParseDeclaration(context);
        var commands = new List<CommandNode>();
        while (true)
        {
            var token = NextNonSpace();
            if (token.Kind == end)
            {
                if (commands.Count == 0)
                {
                    throw Error($"missing value for {context}", token.Position);
                }

                for (var i = 1; i < commands.Count; i++)
                {
                    if (commands[i].Arguments[0] is ConstantNode or DotNode or NilNode)
                    {
                        throw Error($"non executable command in pipeline stage {i + 1}", token.Position);
                    }
                }

                return new PipeNode(start, variables, assignment, commands);
            }

            if (token.Kind is TokenKind.Bool or TokenKind.Character or TokenKind.Dot or TokenKind.Field or TokenKind.Identifier or TokenKind.Number
                or TokenKind.Nil or TokenKind.RawString or TokenKind.String or TokenKind.Variable or TokenKind.LeftParenthesis)
            {
                _next--;
                commands.Add(ParseCommand());
            }
            else
            {
                throw Unexpected(token, context);
            }
        }
    }

    private (IReadOnlyList<string> Variables, bool Assignment) ParseDeclaration(string context)
    {
        var start = _next;
        var variables = new List<string>();
        while (PeekNonSpace().Kind == TokenKind.Variable)
        {
            variables.Add(Next().Text);
            var next = NextNonSpace();
            if (next.Kind is TokenKind.Declare or TokenKind.Assign)
            {
                var assignment = next.Kind == TokenKind.Assign;
                foreach (var variable in variables)
                {
                    if (assignment)
                    {
                        RequireVariable(variable);
                    }
                    else
                    {
                        _variables.Add(variable);
                    }
                }

                return (variables, assignment);
            }

            if (next.Kind != TokenKind.Comma || context != "range" || variables.Count > 1)
            {
                if (next.Kind == TokenKind.Comma && context == "range")
                {
                    throw Error("too many declarations in range", next.Position);
                }

                break;
            }
        }

        _next = start;
        return ([], false);
    }

    private CommandNode ParseCommand()
    {
        var arguments = new List<Node>();
        var start = PeekNonSpace().Position;
        while (true)
        {
            PeekNonSpace();
            if (ParseOperand() is { } operand)
            {
                arguments.Add(operand);
            }

            var token = Next();
            if (token.Kind == TokenKind.Space)
            {
                continue;
            }

            if (token.Kind is TokenKind.RightDelimiter or TokenKind.RightParenthesis)
            {
                _next--;
            }
            else if (token.Kind != TokenKind.Pipe)
            {
                throw Unexpected(token, "operand");
            }

            return arguments.Count > 0 ? new CommandNode(start, arguments) : throw Error("empty command", start);
        }
    }

    private Node? ParseOperand()
    {
        if (ParseTerm() is not { } node)
        {
            return null;
        }

        if (Peek().Kind != TokenKind.Field)
        {
            return node;
        }

        var position = Peek().Position;
        var names = new List<string>();
        while (Peek().Kind == TokenKind.Field)
        {
            names.Add(Next().Text[1..]);
        }

        return node switch
        {
            FieldNode field => new FieldNode(position, [.. field.Names, .. names]),
            VariableNode variable => variable with { Position = position, Names = [.. variable.Names, .. names] },
            ConstantNode or NilNode or DotNode => throw Error($"unexpected . after term {GoQuote.Quote(node.ToString()!)}", position),
            _ => new ChainNode(position, node, names),
        };
    }

    private Node? ParseTerm()
    {
        PeekNonSpace();
        var start = _next;
        var token = Next();
        switch (token.Kind)
        {
            case TokenKind.Identifier:
                return _functions.ContainsKey(token.Text)
                    ? new IdentifierNode(token.Position, token.Text)
                    : throw Error($"function {GoQuote.Quote(token.Text)} not defined", token.Position);
            case TokenKind.Dot:
                return new DotNode(token.Position);
            case TokenKind.Nil:
                return new NilNode(token.Position);
            case TokenKind.Variable:
                RequireVariable(token.Text);
                return new VariableNode(token.Position, token.Text, []);
            case TokenKind.Field:
                return new FieldNode(token.Position, [token.Text[1..]]);
            case TokenKind.Bool:
                return new ConstantNode(token.Position, token.Text == "true", token.Text);
            case TokenKind.Number:
                return NumberText.TryParse(token.Text, out var number)
                    ? new ConstantNode(token.Position, number, token.Text)
                    : throw Error($"bad number syntax: {GoQuote.Quote(token.Text)}", token.Position);
            case TokenKind.Character:
                return new ConstantNode(token.Position, (long)Unquote(token).EnumerateRunes().First().Value, token.Text);
            case TokenKind.String or TokenKind.RawString:
                return new ConstantNode(token.Position, Unquote(token), token.Text);
            case TokenKind.LeftParenthesis:
                return ParsePipeline("parenthesized pipeline", TokenKind.RightParenthesis);
            default:
                _next = start;
                return null;
        }
    }

    private void RequireVariable(string name)
    {
        if (!_variables.Contains(name))
        {
            throw Error($"undefined variable {GoQuote.Quote(name)}");
        }
    }

    private string Unquote(Token token) => GoUnquote.TryUnquote(token.Text, out var text)
        ? text
        : throw Error("invalid syntax", token.Position);
}
