using System.Text.Json;

namespace Cais.Cli.Configuration;

/// <summary>
/// docker's <c>config.json</c>, shared with docker's client: read as it is needed, and what this program does not know is kept when
/// it is written.
/// </summary>
internal sealed class ClientConfiguration
{
    private readonly JsonElement _root;

    private ClientConfiguration(string directory, JsonElement root) => (Directory, _root) = (directory, root);

    public string Directory { get; }

    public string FilePath => Path.Combine(Directory, "config.json");

    public string? CurrentContext => Text("currentContext");

    public string? DetachKeys => Text("detachKeys");

    public string? CredentialStore => Text("credsStore");

    /// <summary>Names of configured formats: <c>psFormat</c>, <c>imagesFormat</c> ...</summary>
    public string? Format(string name) => Text(name);

    public IReadOnlyList<KeyValuePair<string, string>> HttpHeaders => Map("HttpHeaders");

    /// <summary>Credential helper of a registry host, or null.</summary>
    public string? CredentialHelper(string registry) =>
        Map("credHelpers").Where(p => p.Key == registry).Select(p => p.Value).FirstOrDefault();

    /// <summary>Registry hosts with a credential helper of their own, and which.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> CredentialHelpers => Map("credHelpers");

    /// <summary>The object of that name, or null.</summary>
    public JsonElement? Section(string name) =>
        _root.ValueKind == JsonValueKind.Object && _root.TryGetProperty(name, out var section) && section.ValueKind == JsonValueKind.Object
            ? section
            : null;

    public JsonElement Root => _root;

    public static ClientConfiguration Load(string directory, TextWriter warnings)
    {
        var path = Path.Combine(directory, "config.json");
        try
        {
            var bytes = File.ReadAllBytes(path);
            return new ClientConfiguration(directory, JsonDocument.Parse(bytes).RootElement);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Nothing configured.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            warnings.Write($"WARNING: Error loading config file: {path}: {e.Message}\n");
        }

        return new ClientConfiguration(directory, default);
    }

    private string? Text(string name) =>
        _root.ValueKind == JsonValueKind.Object && _root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            && value.GetString() is { Length: > 0 } text
            ? text
            : null;

    private List<KeyValuePair<string, string>> Map(string name)
    {
        if (Section(name) is not { } section)
        {
            return [];
        }

        var pairs = new List<KeyValuePair<string, string>>();
        foreach (var property in section.EnumerateObject())
        {
            if (property.Value.ValueKind == JsonValueKind.String)
            {
                pairs.Add(new(property.Name, property.Value.GetString()!));
            }
        }

        return pairs;
    }
}
