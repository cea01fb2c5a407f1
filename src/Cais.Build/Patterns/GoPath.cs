namespace Cais.Build.Patterns;

/// <summary>Slash-separated paths by the rules of Go's <c>path</c> package, which Dockerfiles and ignore files were written against.</summary>
public static class GoPath
{
    /// <summary>The shortest equal path: no empty, <c>.</c> or inner <c>..</c> elements, no slash at the end; <c>.</c> if nothing is left.</summary>
    public static string Clean(string path)
    {
        var rooted = path.StartsWith('/');
        var kept = new List<string>();
        foreach (var element in path.Split('/'))
        {
            switch (element)
            {
                case "" or ".":
                    break;
                case ".." when kept.Count > 0 && kept[^1] != "..":
                    kept.RemoveAt(kept.Count - 1);
                    break;
                case ".." when rooted:
                    break;
                default:
                    kept.Add(element);
                    break;
            }
        }

        var joined = string.Join('/', kept);
        return rooted ? "/" + joined : joined.Length == 0 ? "." : joined;
    }

    /// <summary>An absolute path: <paramref name="path"/> itself, or below <paramref name="directory"/>.</summary>
    public static string Resolve(string directory, string path) => Clean(path.StartsWith('/') ? path : $"/{directory}/{path}");

    /// <summary>The path as it is below a root: absolute, and <c>..</c> cannot leave.</summary>
    public static string Rooted(string path) => Clean("/" + path);

    /// <summary>The last element; <c>/</c> for the root.</summary>
    public static string Base(string path)
    {
        var trimmed = path.TrimEnd('/');
        return trimmed.Length == 0 ? "/" : trimmed[(trimmed.LastIndexOf('/') + 1)..];
    }

    public static string Join(string first, string second) => Clean($"{first}/{second}");
}
