using System.Globalization;

namespace Cais.Client.Http;

/// <summary>Status line and header fields of a response (RFC 9112).</summary>
public sealed class ResponseHead
{
    private readonly List<KeyValuePair<string, string>> _fields = [];

    public required int Status { get; init; }

    /// <summary>First value of the field, or null. Names are compared without case.</summary>
    public string? this[string name]
    {
        get
        {
            foreach (var (key, value) in _fields)
            {
                if (key.Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return value;
                }
            }

            return null;
        }
    }

    internal bool IsChunked => this["Transfer-Encoding"]?.Contains("chunked", StringComparison.OrdinalIgnoreCase) == true;

    internal bool ClosesConnection => this["Connection"]?.Contains("close", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>Null when the length is not declared. A length that is no number is an error: guessing would desynchronise the connection.</summary>
    internal long? ContentLength => this["Content-Length"] is not { } text
        ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? length
            : throw new InvalidDataException($"malformed HTTP response: Content-Length \"{text}\"");

    internal void Add(string name, string value) => _fields.Add(new(name, value));
}
