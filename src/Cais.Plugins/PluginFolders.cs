using System.Text.Json;

namespace Cais.Plugins;

/// <summary>
/// Where plugins announce themselves (docs.docker.com/engine/extend/plugin_api): sockets in one folder, <c>.spec</c> and <c>.json</c> files in
/// others, each also in a folder of the plugin's own name. A socket wins over files, an earlier folder over a later one.
/// </summary>
/// <param name="Sockets">Folder of <c>NAME.sock</c>.</param>
/// <param name="Files">Folders of <c>NAME.spec</c> and <c>NAME.json</c>.</param>
public sealed record PluginFolders(string Sockets, IReadOnlyList<string> Files)
{
    private const int LongestFile = 64 * 1024;
    private static readonly string[] Endings = [".sock", ".spec", ".json"];

    /// <summary>The places that every Docker plugin knows.</summary>
    public static PluginFolders Standard { get; } = new("/run/docker/plugins", ["/etc/docker/plugins", "/usr/lib/docker/plugins"]);

    /// <summary>Names of all plugins that announce themselves now, in order, without asking them.</summary>
    public IReadOnlyList<string> Names()
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var folder in Files.Prepend(Sockets))
        {
            var endings = folder == Sockets ? Endings[..1] : Endings[1..];
            foreach (var path in Entries(folder))
            {
                var name = Path.GetFileNameWithoutExtension(path);
                if (endings.Contains(Path.GetExtension(path)))
                {
                    names.Add(name);
                }
                else if (Directory.Exists(path) && endings.Any(e => File.Exists(Path.Combine(path, Path.GetFileName(path) + e))))
                {
                    names.Add(Path.GetFileName(path));
                }
            }
        }

        return [.. names.Where(IsName)];
    }

    /// <summary>Where the plugin of that name listens; null when there is none.</summary>
    /// <exception cref="PluginException">Its file makes no sense.</exception>
    internal PluginAddress? Find(string name)
    {
        if (!IsName(name))
        {
            return null;
        }

        foreach (var path in Candidates(Sockets, name, ".sock"))
        {
            if (File.Exists(path))
            {
                return new PluginAddress { Socket = path };
            }
        }

        foreach (var folder in Files)
        {
            foreach (var ending in (ReadOnlySpan<string>)[".spec", ".json"])
            {
                foreach (var path in Candidates(folder, name, ending))
                {
                    if (Read(path) is { } text)
                    {
                        return ending == ".spec" ? PluginAddress.Parse(text, path) : ParseJson(text, path);
                    }
                }
            }
        }

        return null;
    }

    /// <summary>A name comes from users and becomes part of a path.</summary>
    private static bool IsName(string name) =>
        name.Length is > 0 and <= 128 && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-');

    private static string[] Candidates(string folder, string name, string ending) =>
        [Path.Combine(folder, name + ending), Path.Combine(folder, name, name + ending)];

    private static string[] Entries(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? Read(string path)
    {
        try
        {
            return new FileInfo(path) is { Exists: true, Length: <= LongestFile } ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static PluginAddress ParseJson(string text, string path)
    {
        try
        {
            var file = JsonSerializer.Deserialize(text, PluginJson.Default.PluginFile);
            return PluginAddress.Parse(file?.Addr ?? "", path, file?.TLSConfig);
        }
        catch (JsonException e)
        {
            throw new PluginException($"plugin file {path}: {e.Message}", cause: e);
        }
    }
}
