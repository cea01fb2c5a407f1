namespace Cais.Runtime.Tests.Specification;

/// <summary>The test holds one demand (a "MUST") of the runtime specification, by its page and key in sentences.tsv.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class SentenceAttribute(string page, string key) : Attribute
{
    public string Page { get; } = page;

    public string Key { get; } = key;
}
