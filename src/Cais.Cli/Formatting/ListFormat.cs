using Cais.Cli.CommandLine;

namespace Cais.Cli.Formatting;

/// <summary>Prints lists as <c>--format</c> says: a table, JSON lines, or a template a row.</summary>
internal sealed class ListFormat<T>
{
    private const string Table = "table";

    private readonly RowSchema<T> _schema;
    private readonly Template _row;
    private readonly Template? _header;

    private ListFormat(RowSchema<T> schema, Template row, Template? header) => (_schema, _row, _header) = (schema, row, header);

    /// <param name="schema">What rows consist of.</param>
    /// <param name="format">The user's format; empty or <c>table</c> takes the default.</param>
    /// <param name="defaultTable">Columns of the default table, as a template with tabs.</param>
    /// <exception cref="CommandException">The format is not a template.</exception>
    public static ListFormat<T> Parse(RowSchema<T> schema, string format, string defaultTable)
    {
        var (isTable, source) = Resolve(format, defaultTable);
        try
        {
            return new(schema, Template.Parse(source), isTable ? Template.Parse(source, TemplateFunctions.Header) : null);
        }
        catch (TemplateException e)
        {
            throw new CommandException("failed to parse template: " + e.Message);
        }
    }

    /// <exception cref="CommandException">The format names what rows do not have.</exception>
    public void Print(TextWriter output, IEnumerable<T> rows)
    {
        var text = new StringWriter { NewLine = "\n" };
        try
        {
            if (_header is not null)
            {
                _header.Execute(text, _schema.HeaderRow());
                text.Write('\n');
            }

            foreach (var row in rows)
            {
                _row.Execute(text, _schema.Row(row));
                text.Write('\n');
            }
        }
        catch (TemplateException e)
        {
            throw new CommandException("failed to execute template: " + e.Message);
        }

        output.Write(_header is not null ? TabWriter.Align(text.ToString()) : text.ToString());
    }

    private static (bool IsTable, string Source) Resolve(string format, string defaultTable)
    {
        if (format is "" or Table)
        {
            return (true, defaultTable);
        }

        if (format == "json")
        {
            return (false, "{{json .}}");
        }

        var isTable = format.StartsWith(Table + " ", StringComparison.Ordinal) || format.StartsWith(Table + "\\t", StringComparison.Ordinal);
        var source = (isTable ? format[Table.Length..] : format).Trim(' ')
            .Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal);
        return (isTable, source);
    }
}
