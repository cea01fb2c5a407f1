using System.Text.Json;
using System.Text.Json.Nodes;
using Cais.Cli.CommandLine;

namespace Cais.Cli.Configuration;

/// <summary>Changes docker's <c>config.json</c>. What this program does not know stays as it is.</summary>
internal static class ConfigurationFile
{
    private static readonly JsonWriterOptions Layout = new() { Indented = true, IndentCharacter = '\t', IndentSize = 1, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <exception cref="CommandException">The file cannot be read or written.</exception>
    public static void Change(string directory, Action<JsonObject> change)
    {
        var path = Path.Combine(directory, "config.json");
        try
        {
            var root = File.Exists(path) ? JsonNode.Parse(File.ReadAllBytes(path)) as JsonObject : null;
            root ??= [];
            if (!root.ContainsKey("auths"))
            {
                root.Insert(0, "auths", new JsonObject());
            }

            change(root);
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Write(path, root);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CommandException($"{path}: {e.Message}");
        }
    }

    /// <summary>A complete file or the old one: a reader never sees half of it.</summary>
    private static void Write(string path, JsonObject root)
    {
        // A link (a shared home) is followed, not replaced.
        var target = (File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName : null) ?? path;
        var draft = target + Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture);
        try
        {
            using (var file = new FileStream(draft, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            using (var writer = new Utf8JsonWriter(file, Layout))
            {
                root.WriteTo(writer);
            }

            File.Move(draft, target, overwrite: true);
        }
        finally
        {
            File.Delete(draft);
        }
    }
}
