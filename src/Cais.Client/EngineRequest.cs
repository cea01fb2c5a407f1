using System.Globalization;
using System.Text;

namespace Cais.Client;

/// <summary>One call of the Engine API, before it is bound to an API version and a connection.</summary>
public sealed class EngineRequest(string method, string path)
{
    private StringBuilder? _query;
    private List<KeyValuePair<string, string>>? _headers;

    public string Method { get; } = method;

    /// <summary>Path without version prefix and query, already escaped (see <see cref="Escape"/>).</summary>
    public string Path { get; } = path;

    public string Query => _query?.ToString() ?? "";

    public IReadOnlyList<KeyValuePair<string, string>> Headers => _headers ?? [];

    /// <summary>A body of known content. It can be sent again when a reused connection turns out to be dead.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>A body of unknown length, sent in chunks.</summary>
    public Stream? BodyStream { get; init; }

    public string? ContentType { get; init; }

    /// <summary>True for the few endpoints that stand outside the versioned part (<c>/_ping</c>).</summary>
    public bool Unversioned { get; init; }

    /// <summary>Makes a segment safe in a path: names of images keep their slashes and colons.</summary>
    public static string Escape(string segment)
    {
        foreach (var c in segment)
        {
            if (!(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '~' or '/' or ':' or '@'))
            {
                return string.Join('/', segment.Split('/').Select(Uri.EscapeDataString));
            }
        }

        return segment;
    }

    /// <summary>Adds a query parameter; null and empty values are left out.</summary>
    public EngineRequest With(string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            _query = (_query?.Append('&') ?? new StringBuilder()).Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }

        return this;
    }

    /// <summary>Adds <c>name=1</c> when <paramref name="value"/> is true.</summary>
    public EngineRequest With(string name, bool value) => value ? With(name, "1") : this;

    public EngineRequest With(string name, long? value) => With(name, value?.ToString(CultureInfo.InvariantCulture));

    /// <summary>Adds one parameter for each value.</summary>
    public EngineRequest WithEach(string name, IEnumerable<string> values)
    {
        foreach (var value in values)
        {
            With(name, value);
        }

        return this;
    }

    public EngineRequest WithHeader(string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            (_headers ??= []).Add(new(name, value));
        }

        return this;
    }
}
