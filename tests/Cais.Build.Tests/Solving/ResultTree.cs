using System.Text;
using Cais.Build.Files;
using Cais.Build.Cache;
using Cais.Linux;

namespace Cais.Build.Tests.Solving;

/// <summary>What a result's layers make together.</summary>
internal static class ResultTree
{
    /// <summary>The files with their contents (links: where they lead); directories end in a slash.</summary>
    public static SortedDictionary<string, string> Contents(StepResult result) =>
        new(Read(result, (path, name) => Directory.Exists(path) && LinkOf(path) is null ? (name + "/", "") : (name, LinkOf(path) is { } link ? "-> " + link : File.ReadAllText(path)))
            .ToDictionary(), StringComparer.Ordinal);

    /// <summary>The same, a line for each, with permissions and attributes.</summary>
    public static IReadOnlyList<string> Describe(StepResult result) => Read(result, (path, name) =>
        LinkOf(path) is { } link ? $"{name} -> {link}" : $"{name} {File.GetUnixFileMode(path)} {AttributesOf(path)} {(Directory.Exists(path) ? "/" : File.ReadAllText(path))}");

    private static List<T> Read<T>(StepResult result, Func<string, string, T> read)
    {
        using var root = RootDirectory.OpenLayers([.. result.Paths.Distinct()]);
        var mount = $"/proc/self/fd/{root.Descriptor}";
        return [.. Directory.EnumerateFileSystemEntries(mount, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Order(StringComparer.Ordinal).Select(p => read(p, p[mount.Length..]))];
    }

    private static string? LinkOf(string path) => new FileInfo(path).LinkTarget;

    private static string AttributesOf(string path) =>
        string.Join(' ', Xattr.List(path).Where(n => n.StartsWith("user.", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(n => $"{n}={Encoding.UTF8.GetString(Xattr.Get(path, n)!)}"));
}
