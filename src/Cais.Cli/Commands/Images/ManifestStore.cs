using System.Text.Json;
using System.Text.Json.Nodes;
using Cais.Cli.CommandLine;
using Cais.Oci;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Images;

/// <summary>One member of a manifest list in the making: where it is, what it is, and its bytes as the registry has them.</summary>
internal sealed record StoredManifest(Reference Reference, Descriptor Descriptor, byte[] Raw);

/// <summary>
/// Manifest lists that <c>manifest create</c> has begun and <c>manifest push</c> has not sent yet: a directory each in the client's configuration, in it a file for each
/// member, as docker's client has it.
/// </summary>
internal sealed class ManifestStore(string configuration)
{
    private readonly string _root = Path.Combine(configuration, "manifests");

    public bool Has(Reference list) => Directory.Exists(DirectoryOf(list));

    /// <summary>The members in the order in which they were added. Throws <see cref="CommandException"/> if there is no such list.</summary>
    public IReadOnlyList<StoredManifest> Members(Reference list)
    {
        var directory = DirectoryOf(list);
        return Directory.Exists(directory)
            ? [.. new DirectoryInfo(directory).EnumerateFiles().Select(f => Read(f.FullName)).OrderBy(m => m.Order).Select(m => m.Manifest)]
            : throw new CommandException($"No such manifest: {list}");
    }

    public StoredManifest? Member(Reference list, Reference manifest)
    {
        var path = FileOf(list, manifest);
        return File.Exists(path) ? Read(path).Manifest : null;
    }

    /// <summary>Adds a member or replaces it, keeping its place.</summary>
    public void Put(Reference list, StoredManifest manifest)
    {
        var directory = DirectoryOf(list);
        Directory.CreateDirectory(directory);
        var path = FileOf(list, manifest.Reference);
        var order = File.Exists(path) ? Read(path).Order : Directory.EnumerateFiles(directory).Select(f => Read(f).Order).DefaultIfEmpty(-1).Max() + 1;
        var node = new JsonObject
        {
            ["Ref"] = manifest.Reference.ToString(),
            ["Order"] = order,
            ["Descriptor"] = JsonNode.Parse(PlainJson.Bytes(manifest.Descriptor, OciImagesJson.Default.Descriptor)),
            ["Raw"] = Convert.ToBase64String(manifest.Raw),
        };
        var temporary = path + ".tmp";
        File.WriteAllText(temporary, node.ToJsonString());
        File.Move(temporary, path, overwrite: true);
    }

    public void Remove(Reference list) => Directory.Delete(DirectoryOf(list), recursive: true);

    private static (int Order, StoredManifest Manifest) Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            return (root.GetProperty("Order").GetInt32(), new StoredManifest(
                Reference.Parse(root.GetProperty("Ref").GetString()!),
                root.GetProperty("Descriptor").Deserialize(OciImagesJson.Default.Descriptor)!,
                root.GetProperty("Raw").GetBytesFromBase64()));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ImageFormatException)
        {
            throw new CommandException($"{path} cannot be read: {e.Message}");
        }
    }

    private string DirectoryOf(Reference list) => Path.Combine(_root, FileName(list));

    private string FileOf(Reference list, Reference manifest) => Path.Combine(DirectoryOf(list), FileName(manifest));

    private static string FileName(Reference reference) => reference.ToString().Replace(':', '-').Replace('/', '_').Replace('@', '-');
}
