namespace Cais.Templates;

/// <summary>Walks a template's tree over its data.</summary>
internal sealed class TemplateExecutor(Template template, TextWriter output)
{
    /// <summary>Templates that call themselves must end sometime; Go stops at 100,000, our stack is smaller.</summary>
    private const int MaximumDepth = 1000;

    private readonly List<(string Name, object? Value)> _variables = [];
    private string _name = "";
    private int _depth;

    /// <summary>The data came as JSON: to Go all its values are interfaces.</summary>
    private bool _untyped;

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    public void Run(object? data)
    {
        _variables.Add(("$", data));
        _untyped = data is JsonMap;
        Walk(data, template.Find("")!);
    }

    private TemplateException Error(Node node, string message) => TemplateException.Executing(template.Source, _name, node, message);

    private Flow Walk(object? dot, Node node)
    {
        switch (node)
        {
            case TextNode text:
                output.Write(text.Text);
                return Flow.Next;
            case ActionNode action:
                var value = EvaluatePipe(dot, action.Pipe);
                if (action.Pipe.Variables.Count == 0)
                {
                    output.Write(value is null ? "<no value>" : GoPrinter.Text(value));
                }

                return Flow.Next;
            case ListNode list:
                foreach (var child in list.Nodes)
                {
                    if (Walk(dot, child) is not Flow.Next and var flow)
                    {
                        return flow;
                    }
                }

                return Flow.Next;
            case BranchNode { Keyword: "range" } range:
                WalkRange(dot, range);
                return Flow.Next;
            case BranchNode branch:
                return WalkCondition(dot, branch);
            case TemplateNode call:
                WalkTemplate(dot, call);
                return Flow.Next;
            case JumpNode jump:
                return jump.Keyword == "break" ? Flow.Break : Flow.Continue;
            default:
                throw new InvalidOperationException($"unknown node {node.GetType().Name}");
        }
    }

    private Flow WalkCondition(object? dot, BranchNode branch)
    {
        var scope = _variables.Count;
        var value = EvaluatePipe(dot, branch.Pipe);
        var flow = TemplateFunctions.IsTrue(value)
            ? Walk(branch.Keyword == "with" ? value : dot, branch.Body)
            : branch.Else is { } otherwise ? Walk(dot, otherwise) : Flow.Next;
        _variables.RemoveRange(scope, _variables.Count - scope);
        return flow;
    }

    private void WalkRange(object? dot, BranchNode range)
    {
        var scope = _variables.Count;
        var value = EvaluatePipe(dot, range.Pipe with { Variables = [] });
        IEnumerable<(object? Key, object? Value)> items = value switch
        {
            null => [],
            IReadOnlyList<object?> list => list.Select(static (item, index) => ((object?)(long)index, item)),
            GoMap map => map.Keys.Select(key => ((object?)key, map.TryGet(key, out var member) ? member : null)),
            long count => Enumerable.Range(0, (int)Math.Clamp(count, 0, int.MaxValue)).Select(static i => ((object?)(long)i, (object?)(long)i)),
            _ => throw Error(range.Pipe.Commands[^1].Arguments[0], $"range can't iterate over {GoPrinter.Text(value)}"),
        };
        var any = false;
        foreach (var (key, item) in items)
        {
            any = true;
            Bind(range.Pipe, key, item);
            var flow = Walk(item, range.Body);
            _variables.RemoveRange(scope, _variables.Count - scope);
            if (flow == Flow.Break)
            {
                break;
            }
        }

        if (!any && range.Else is { } otherwise)
        {
            Walk(dot, otherwise);
            _variables.RemoveRange(scope, _variables.Count - scope);
        }
    }

    private void Bind(PipeNode pipe, object? key, object? item)
    {
        switch (pipe.Variables)
        {
            case [var single]:
                Set(single, item, pipe.IsAssignment);
                break;
            case [var first, var second]:
                Set(first, key, pipe.IsAssignment);
                Set(second, item, pipe.IsAssignment);
                break;
        }
    }

    private void Set(string name, object? value, bool assignment)
    {
        if (!assignment)
        {
            _variables.Add((name, value));
            return;
        }

        for (var i = _variables.Count - 1; i >= 0; i--)
        {
            if (_variables[i].Name == name)
            {
                _variables[i] = (name, value);
                return;
            }
        }
    }

    private void WalkTemplate(object? dot, TemplateNode call)
    {
        if (template.Find(call.Name) is not { } body)
        {
            var (line, column) = TemplateException.Locate(template.Source, call.Position);
            throw new TemplateException(
                $"template: :{line}:{column}: executing \"{_name}\" at <{{{{template \"{call.Name}\"}}}}>: template \"{call.Name}\" not defined");
        }

        if (++_depth > MaximumDepth)
        {
            throw Error(new IdentifierNode(call.Position, call.Name), $"exceeded maximum template depth ({MaximumDepth})");
        }

        var argument = call.Pipe is { } pipe ? EvaluatePipe(dot, pipe) : null;
        var (outer, scope) = (_name, _variables.ToList());
        _variables.Clear();
        _variables.Add(("$", argument));
        _name = call.Name;
        Walk(argument, body);
        _name = outer;
        _variables.Clear();
        _variables.AddRange(scope);
        _depth--;
    }

    private object? EvaluatePipe(object? dot, PipeNode pipe)
    {
        object? value = null;
        for (var i = 0; i < pipe.Commands.Count; i++)
        {
            value = EvaluateCommand(dot, pipe.Commands[i], i > 0, value);
        }

        foreach (var variable in pipe.Variables)
        {
            Set(variable, value, pipe.IsAssignment);
        }

        return value;
    }

    private object? EvaluateCommand(object? dot, CommandNode command, bool hasFinal, object? final)
    {
        var first = command.Arguments[0];
        switch (first)
        {
            case FieldNode field:
                return EvaluateFields(dot, field, dot, field.Names, command, hasFinal, final);
            case ChainNode chain:
                return EvaluateFields(dot, chain, EvaluateArgument(dot, chain.Operand), chain.Names, command, hasFinal, final);
            case VariableNode { Names.Count: > 0 } variable:
                return EvaluateFields(dot, variable, Variable(variable), variable.Names, command, hasFinal, final);
            case IdentifierNode function:
                return CallFunction(dot, function, command, hasFinal, final);
        }

        if (command.Arguments.Count > 1 || hasFinal)
        {
            throw Error(first, $"can't give argument to non-function {first}");
        }

        return first is NilNode ? throw Error(first, "nil is not a command") : EvaluateArgument(dot, first);
    }

    private object? CallFunction(object? dot, IdentifierNode function, CommandNode command, bool hasFinal, object? final)
    {
        if (function.Name is "and" or "or" && command.Arguments.Count + (hasFinal ? 1 : 0) > 1)
        {
            return ShortCircuit(dot, function, command, hasFinal, final);
        }

        var arguments = Arguments(dot, command, hasFinal, final);
        try
        {
            return template.Function(function.Name)(arguments);
        }
        catch (WrongTypeException e)
        {
            var at = e.Argument + 1 < command.Arguments.Count ? command.Arguments[e.Argument + 1] : function;
            throw Error(at, e.Describe(at is ConstantNode));
        }
        catch (FormatException e)
        {
            throw e is WrongArgumentsException ? Error(function, e.Message) : Error(command, $"error calling {function.Name}: {e.Message}");
        }
    }

    /// <summary>and, or: the first argument that decides is the result, and those behind it are not looked at.</summary>
    private object? ShortCircuit(object? dot, IdentifierNode function, CommandNode command, bool hasFinal, object? final)
    {
        object? value = null;
        for (var i = 1; i < command.Arguments.Count; i++)
        {
            value = EvaluateArgument(dot, command.Arguments[i]);
            if (TemplateFunctions.IsTrue(value) == (function.Name == "or"))
            {
                return value;
            }
        }

        return hasFinal ? final : value;
    }

    private List<object?> Arguments(object? dot, CommandNode command, bool hasFinal, object? final)
    {
        var arguments = new List<object?>(command.Arguments.Count);
        for (var i = 1; i < command.Arguments.Count; i++)
        {
            arguments.Add(EvaluateArgument(dot, command.Arguments[i]));
        }

        if (hasFinal)
        {
            arguments.Add(final);
        }

        return arguments;
    }

    private object? EvaluateArgument(object? dot, Node node) => node switch
    {
        DotNode => dot,
        NilNode => null,
        ConstantNode constant => constant.Value,
        FieldNode field => EvaluateFields(dot, field, dot, field.Names, null, false, null),
        VariableNode variable => variable.Names.Count == 0
            ? Variable(variable)
            : EvaluateFields(dot, variable, Variable(variable), variable.Names, null, false, null),
        ChainNode chain => EvaluateFields(dot, chain, EvaluateArgument(dot, chain.Operand), chain.Names, null, false, null),
        PipeNode pipe => EvaluatePipe(dot, pipe),
        IdentifierNode function => CallFunction(dot, function, new CommandNode(function.Position, [function]), false, null),
        _ => throw Error(node, $"can't handle {node} here"),
    };

    private object? Variable(VariableNode node)
    {
        for (var i = _variables.Count - 1; i >= 0; i--)
        {
            if (_variables[i].Name == node.Name)
            {
                return _variables[i].Value;
            }
        }

        throw Error(node, $"undefined variable: {node.Name}");
    }

    /// <summary>Follows a chain of names; the last may be a method that takes the command's arguments.</summary>
    private object? EvaluateFields(
        object? dot, Node node, object? receiver, IReadOnlyList<string> names, CommandNode? command, bool hasFinal, object? final)
    {
        for (var i = 0; i < names.Count; i++)
        {
            var last = i == names.Count - 1;
            var arguments = last && command is not null ? Arguments(dot, command, hasFinal, final) : [];
            receiver = EvaluateField(node, receiver, names[i], arguments);
        }

        return receiver;
    }

    private object? EvaluateField(Node node, object? receiver, string name, List<object?> arguments)
    {
        switch (receiver)
        {
            case GoStruct row when arguments.Count > 0 && row.TryCall(name, arguments, out var result):
                return result;
            case GoStruct row when row.TryGetField(name, out var field):
                return arguments.Count == 0 ? field : throw Error(node, $"{name} has arguments but cannot be invoked as function");
            case GoMap when arguments.Count > 0:
                throw Error(node, $"{name} is not a method but has arguments");
            case GoMap map when map.TryGet(name, out var member):
                return member;
            case GoMap { MissingKeyIsError: true }:
                throw Error(node, $"map has no entry for key {GoQuote.Quote(name)}");
            case GoMap:
                return null;
            case null:
                throw Error(node, $"nil pointer evaluating interface {{}}.{name}");
            default:
                throw Error(node, $"can't evaluate field {name} in type {(_untyped ? "interface {}" : GoPrinter.TypeName(receiver))}");
        }
    }
}
