using System.Text;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Client;

namespace Cais.Cli.Formatting;

/// <summary>Prints full records: as an indented JSON array, one compact object a line, or what a template makes of each.</summary>
internal static class InspectPrinter
{
    /// <param name="context">For output and errors.</param>
    /// <param name="format">Empty, <c>json</c> or a template.</param>
    /// <param name="references">The objects, as the user named them.</param>
    /// <param name="fetch">Gets one; null when there is none of that name.</param>
    /// <param name="kind">What is looked for, for the message that there is none.</param>
    /// <param name="escapeHtml">Whether angle brackets and ampersands are escaped in JSON, as Go does unless told otherwise.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(
        CommandContext context, string format, IEnumerable<string> references, Func<string, Task<JsonDocument?>> fetch, string? kind = null, bool escapeHtml = false)
    {
        var template = Parse(format);
        var records = new List<JsonDocument>();
        var failures = new List<string>();
        foreach (var reference in references)
        {
            try
            {
                if (await fetch(reference).ConfigureAwait(false) is { } record)
                {
                    records.Add(record);
                }
                else
                {
                    failures.Add($"Error: No such {kind}: {reference}");
                }
            }
            catch (EngineApiException e)
            {
                failures.Add("Error response from daemon: " + e.Message);
            }
            catch (CommandException e)
            {
                failures.Add(e.Message);
            }
        }

        var output = new StringBuilder();
        string? templateFailure = null;
        try
        {
            Render(output, template, format, records);
        }
        catch (TemplateException e)
        {
            templateFailure = "template parsing error: " + e.Message;
            output.Append('\n');
        }

        if (escapeHtml && template is null)
        {
            output.Replace("<", "\\u003c").Replace(">", "\\u003e").Replace("&", "\\u0026");
        }

        context.Session.Out.Write(output.ToString());
        await context.Session.Out.FlushAsync().ConfigureAwait(false);
        foreach (var failure in templateFailure is null ? failures : [.. failures, templateFailure])
        {
            context.Session.Err.Write(failure + "\n");
        }

        records.ForEach(static r => r.Dispose());
        return failures.Count > 0 || templateFailure is not null ? 1 : 0;
    }

    private static Template? Parse(string format)
    {
        try
        {
            return format is "" or "json" ? null : Template.Parse(format);
        }
        catch (TemplateException e)
        {
            throw new CommandException("template parsing error: " + e.Message, exitCode: 64);
        }
    }

    private static void Render(StringBuilder output, Template? template, string format, List<JsonDocument> records)
    {
        if (template is not null)
        {
            // One after the other: what was rendered before a failure is printed.
            foreach (var record in records)
            {
                output.Append(template.Execute(GoJson.FromElement(record.RootElement))).Append('\n');
            }
        }
        else if (format == "json")
        {
            output.Append('[').AppendJoin(',', records.Select(static r => GoJson.Serialize(GoJson.FromElement(r.RootElement)))).Append("]\n");
        }
        else if (records.Count == 0)
        {
            output.Append("[]\n");
        }
        else
        {
            output.Append('[');
            for (var i = 0; i < records.Count; i++)
            {
                output.Append(i > 0 ? ",\n    " : "\n    ");
                GoJson.WriteIndented(output, records[i].RootElement, 1);
            }

            output.Append("\n]\n");
        }
    }
}
