
namespace Cais.Cli.Formatting;

/// <summary>One thing that can be shown of a row.</summary>
/// <param name="Name">What templates call it.</param>
/// <param name="Header">Title of its column.</param>
/// <param name="Value">Its value in one row.</param>
internal sealed record RowField<T>(string Name, string Header, Func<T, object?> Value);

/// <summary>What rows of one kind consist of.</summary>
internal sealed class RowSchema<T>(string typeName, IReadOnlyList<RowField<T>> fields, Func<T, string, string>? label = null)
{
    /// <summary>Name of the row type in Go's error messages.</summary>
    public string TypeName { get; } = typeName;

    public IReadOnlyList<RowField<T>> Fields { get; } = fields;

    /// <summary>What <c>.Label "key"</c> gives; null where rows have no such method.</summary>
    public Func<T, string, string>? Label { get; } = label;

    public RowField<T>? Find(string name)
    {
        foreach (var field in Fields)
        {
            if (field.Name == name)
            {
                return field;
            }
        }

        return null;
    }

    public GoStruct Row(T item) => new RowStruct(this, item);

    /// <summary>The titles of the columns, as a row.</summary>
    public GoStruct HeaderRow() => new HeaderStruct(this);

    private sealed class RowStruct(RowSchema<T> schema, T item) : GoStruct
    {
        public override string TypeName => schema.TypeName;

        public override bool EscapesHtml => true;

        public override IEnumerable<string> FieldNames => schema.Fields.Select(static f => f.Name).Order(StringComparer.Ordinal);

        public override bool TryGetField(string name, out object? value)
        {
            var field = schema.Find(name);
            value = field?.Value(item);
            return field is not null;
        }

        public override bool TryCall(string name, IReadOnlyList<object?> arguments, out object? value)
        {
            value = name == "Label" && arguments is [string key] ? schema.Label?.Invoke(item, key) : null;
            return value is not null;
        }
    }

    /// <summary>docker looks a column's title up in a map: an unknown name gives <c>&lt;no value&gt;</c> there.</summary>
    private sealed class HeaderStruct(RowSchema<T> schema) : GoStruct
    {
        public override string TypeName => "map[string]string";

        public override IEnumerable<string> FieldNames => schema.Fields.Select(static f => f.Name);

        public override bool TryGetField(string name, out object? value)
        {
            value = schema.Find(name)?.Header;
            return true;
        }

        public override bool TryCall(string name, IReadOnlyList<object?> arguments, out object? value)
        {
            // The title of a label's column is the label's last part.
            value = name == "Label" && arguments is [string key] ? LabelTitle(key) : null;
            return value is not null;
        }

        private static string LabelTitle(string key) =>
            key.Split('.')[^1].Replace('-', ' ').Replace('_', ' ');
    }
}
