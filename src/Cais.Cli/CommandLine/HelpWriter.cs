using System.Text;

namespace Cais.Cli.CommandLine;

/// <summary>The help of a command, laid out as docker's.</summary>
internal static class HelpWriter
{
    private const int DefaultColumns = 80;

    /// <summary>"Usage:  cais run ...", with a line end; further lines of the synopsis stand below.</summary>
    public static string UsageLine(Command command, string path)
    {
        var parent = path.LastIndexOf(' ') is > 0 and var space ? path[..space] + " " : "";
        return "Usage:  " + parent + command.Use + "\n";
    }

    public static void Write(TextWriter output, Command command, string path, int? columns)
    {
        var flags = command.Flags.Where(static f => !f.Hidden && f.Deprecated is null).ToList();
        var children = command.Children.Select(static make => make()).Where(static c => !c.Hidden).OrderBy(static c => c.Name, StringComparer.Ordinal).ToList();
        output.Write(UsageLine(command, path));
        output.Write($"\n{command.Description ?? command.Summary}\n");
        if (command.Aliases.Count > 0)
        {
            output.Write($"\nAliases:\n  {string.Join(", ", command.Aliases.Select(static a => $"{ProductVersion.Name} {a}"))}\n");
        }

        var isRoot = path == ProductVersion.Name;
        if (!isRoot && flags.Count > 0)
        {
            output.Write("\nOptions:\n");
            WriteFlags(output, flags, columns ?? DefaultColumns);
        }

        WriteCommands(output, "Common Commands", children, CommandCategory.Common, keepOrder: command.Children);
        WriteCommands(output, "Management Commands", children, CommandCategory.Management);
        WriteCommands(output, "Swarm Commands", children, CommandCategory.Swarm);
        WriteCommands(output, "Commands", children, CommandCategory.Ordinary);
        if (isRoot)
        {
            output.Write("\nGlobal Options:\n");
            WriteFlags(output, flags, columns ?? DefaultColumns);
        }

        if (children.Count > 0)
        {
            output.Write($"\nRun '{path} COMMAND --help' for more information on a command.\n");
        }
    }

    private static void WriteCommands(
        TextWriter output, string heading, List<Command> children, CommandCategory category, IReadOnlyList<Func<Command>>? keepOrder = null)
    {
        var listed = children.Where(c => c.Category == category).ToList();
        if (listed.Count == 0)
        {
            return;
        }

        if (keepOrder is not null)
        {
            var order = keepOrder.Select(static make => make().Name).ToList();
            listed.Sort((a, b) => order.IndexOf(a.Name).CompareTo(order.IndexOf(b.Name)));
        }

        var width = Math.Max(10, children.Max(static c => c.Name.Length));
        output.Write($"\n{heading}:\n");
        foreach (var child in listed)
        {
            output.Write($"  {child.Name.PadRight(width)}  {child.Summary}\n");
        }
    }

    private static void WriteFlags(TextWriter output, List<Flag> flags, int columns)
    {
        var lines = new List<(string Left, string Usage)>();
        foreach (var flag in flags.OrderBy(static f => f.Name, StringComparer.Ordinal))
        {
            var left = flag.Shorthand is { } letter ? $"  -{letter}, --{flag.Name}" : $"      --{flag.Name}";
            var (valueName, usage) = ValueName(flag);
            if (valueName.Length > 0)
            {
                left += " " + valueName;
            }

            if (flag.DefaultText is not ("" or "0" or "false" or "<nil>") && !(flag.DefaultText == "[]" && flag.Type == "stringSlice")
                && !(flag.DefaultText == "0s" && flag.Type == "duration"))
            {
                usage += flag.Type == "string" ? $" (default {GoQuote.Quote(flag.DefaultText)})" : $" (default {flag.DefaultText})";
            }

            lines.Add((left, usage));
        }

        var column = lines.Max(static l => l.Left.Length) + 3;
        foreach (var (left, usage) in lines)
        {
            output.Write(left);
            output.Write(new string(' ', column - left.Length));
            output.Write(Wrap(usage, column, columns));
            output.Write('\n');
        }
    }

    /// <summary>The name of the value: a word in backquotes in the usage, else from the type.</summary>
    private static (string Name, string Usage) ValueName(Flag flag)
    {
        var open = flag.Usage.IndexOf('`');
        var close = open < 0 ? -1 : flag.Usage.IndexOf('`', open + 1);
        if (close > 0)
        {
            var name = flag.Usage[(open + 1)..close];
            return (name, flag.Usage[..open] + name + flag.Usage[(close + 1)..]);
        }

        return (flag.Type switch
        {
            "bool" => "",
            "int64" => "int",
            "uint64" => "uint",
            "float64" => "float",
            "stringSlice" => "strings",
            var type => type,
        }, flag.Usage);
    }

    /// <summary>Breaks text at words so that it fits beside an indentation; a narrow remainder goes below it.</summary>
    internal static string Wrap(string text, int indent, int columns)
    {
        const int Narrowest = 24;
        const int Slop = 5;
        var width = columns - indent;
        var result = new StringBuilder();
        if (width < Narrowest)
        {
            indent = 16;
            width = columns - indent;
            result.Append('\n').Append(' ', indent);
        }

        var lineStart = "\n" + new string(' ', indent);
        if (width < Narrowest)
        {
            return result.Append(text.ReplaceLineEndings(lineStart)).ToString();
        }

        width -= Slop;
        while (true)
        {
            var (line, rest) = Break(text, width, Slop);
            result.Append(line.ReplaceLineEndings(lineStart));
            if (rest.Length == 0)
            {
                return result.ToString();
            }

            result.Append(lineStart);
            text = rest;
        }
    }

    private static (string Line, string Remainder) Break(string text, int width, int slop)
    {
        if (width + slop > text.Length)
        {
            return (text, "");
        }

        var blank = text.AsSpan(0, width).LastIndexOfAny(" \t\n");
        if (blank <= 0)
        {
            return (text, "");
        }

        var newline = text.AsSpan(0, width).LastIndexOf('\n');
        var cut = newline > 0 && newline < blank ? newline : blank;
        return (text[..cut], text[(cut + 1)..]);
    }
}
