using Cais.Cli.CommandLine;

namespace Cais.Cli.Formatting;

/// <summary><c>--format</c> of commands that print one object.</summary>
internal static class ObjectFormat
{
    /// <summary>docker's exit code for a format that is none.</summary>
    public const int BadTemplate = 64;

    /// <exception cref="CommandException">The format is not a template.</exception>
    public static Template Parse(string format)
    {
        try
        {
            return Template.Parse(format == "json" ? "{{json .}}" : format);
        }
        catch (TemplateException e)
        {
            throw new CommandException("template parsing error: " + e.Message, BadTemplate);
        }
    }

    /// <exception cref="CommandException">The format is not a template, or does not fit the object.</exception>
    public static string Render(string format, object? data)
    {
        var template = Parse(format);
        try
        {
            return template.Execute(data);
        }
        catch (TemplateException e)
        {
            throw new CommandException("template parsing error: " + e.Message);
        }
    }
}
