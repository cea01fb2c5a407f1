namespace Cais.Templates;

/// <summary>A function that templates can call.</summary>
/// <param name="arguments">Evaluated, in order; the last may come through a pipe.</param>
internal delegate object? TemplateFunction(IReadOnlyList<object?> arguments);

/// <summary>A parsed template, ready to be executed any number of times.</summary>
internal sealed class Template(
    string source, IReadOnlyDictionary<string, ListNode> templates, IReadOnlyDictionary<string, TemplateFunction> functions)
{
    /// <exception cref="TemplateException">The source is not a template.</exception>
    public static Template Parse(string source, IReadOnlyDictionary<string, TemplateFunction>? functions = null) =>
        TemplateParser.Parse(source, functions ?? TemplateFunctions.Default);

    public string Source => source;

    internal ListNode? Find(string name) => templates.GetValueOrDefault(name);

    internal TemplateFunction Function(string name) => functions[name];

    /// <exception cref="TemplateException">The template does not fit the data.</exception>
    public void Execute(TextWriter output, object? data) => new TemplateExecutor(this, output).Run(data);

    public string Execute(object? data)
    {
        var output = new StringWriter { NewLine = "\n" };
        Execute(output, data);
        return output.ToString();
    }
}
