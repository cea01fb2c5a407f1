using System.Collections;
using System.Text.Json;

namespace Cais.Templates;

/// <summary>
/// An object whose fields templates can name. Values are null, bool, string, long, ulong, double, <see cref="IReadOnlyList{T}"/> of
/// values, <see cref="GoMap"/>, or another such object.
/// </summary>
internal abstract class GoStruct
{
    /// <summary>Go's name of the corresponding type, for error messages (<c>*formatter.ContainerContext</c>).</summary>
    public abstract string TypeName { get; }

    /// <summary>Names of the fields that the JSON form has.</summary>
    public abstract IEnumerable<string> FieldNames { get; }

    /// <summary>Whether its JSON form has angle brackets and ampersands escaped, as Go does where a type writes itself.</summary>
    public virtual bool EscapesHtml => false;

    public abstract bool TryGetField(string name, out object? value);

    /// <summary>Calls a method that takes arguments (<c>.Label "key"</c>).</summary>
    public virtual bool TryCall(string name, IReadOnlyList<object?> arguments, out object? value)
    {
        value = null;
        return false;
    }
}

/// <summary>A map from strings. Missing keys are no error unless the map says so.</summary>
internal abstract class GoMap
{
    public abstract int Count { get; }

    /// <summary>Keys in byte order, as Go visits them.</summary>
    public abstract IEnumerable<string> Keys { get; }

    /// <summary>Whether naming a key that is not there is an error (Go's option missingkey=error).</summary>
    public virtual bool MissingKeyIsError => false;

    /// <summary>What a key that is not there gives otherwise: null, or the zero value of a typed map.</summary>
    public virtual object? Missing => null;

    public abstract bool TryGet(string key, out object? value);
}

/// <summary>A map of values already at hand.</summary>
internal sealed class GoDictionary(IReadOnlyDictionary<string, object?> values, bool complete = false) : GoMap
{
    /// <summary>Whether these are the fields of a record: then another name is a mistake.</summary>
    public override bool MissingKeyIsError => complete;

    public override int Count => values.Count;

    public override IEnumerable<string> Keys => values.Keys.Order(StringComparer.Ordinal);

    public override bool TryGet(string key, out object? value) => values.TryGetValue(key, out value);
}

/// <summary>A JSON object of an answer of the daemon.</summary>
internal sealed class JsonMap(JsonElement element) : GoMap
{
    public JsonElement Element => element;

    public override int Count => element.GetPropertyCount();

    public override IEnumerable<string> Keys => element.EnumerateObject().Select(static p => p.Name).Order(StringComparer.Ordinal);

    public override bool MissingKeyIsError => !IsMapOfText;

    /// <summary>docker's record types say of such maps (labels, options) that a missing entry is an empty string.</summary>
    public override object? Missing => IsMapOfText ? "" : null;

    private bool IsMapOfText => element.EnumerateObject().All(static p => p.Value.ValueKind == JsonValueKind.String);

    public override bool TryGet(string key, out object? value)
    {
        if (JsonFields.TryFind(element, key, out var property))
        {
            value = GoJson.FromElement(property);
            return true;
        }

        value = null;
        return false;
    }
}

/// <summary>A JSON array of an answer of the daemon.</summary>
internal sealed class JsonList(JsonElement element) : IReadOnlyList<object?>
{
    public JsonElement Element => element;

    public int Count => element.GetArrayLength();

    public object? this[int index] => GoJson.FromElement(element[index]);

    public IEnumerator<object?> GetEnumerator()
    {
        foreach (var item in element.EnumerateArray())
        {
            yield return GoJson.FromElement(item);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
