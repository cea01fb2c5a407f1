using Cais.Cli.CommandLine;

namespace Cais.Cli.Archives;

/// <summary>Where something copied out of a container goes: into which directory, under what name (empty for its contents).</summary>
internal sealed record LocalTarget(string Directory, string Name)
{
    /// <summary>cp's rules: an existing directory takes the source in; anything else is the source's new name, whose parent must exist.</summary>
    /// <param name="target">As the user gave it.</param>
    /// <param name="isDirectory">Whether the source is one.</param>
    /// <param name="name">The source's own name.</param>
    /// <param name="contents">Whether only what is in the source is wanted (<c>dir/.</c>).</param>
    public static LocalTarget Resolve(string target, bool isDirectory, string name, bool contents)
    {
        if (System.IO.Directory.Exists(target))
        {
            return new(target, contents && isDirectory ? "" : name);
        }

        if (File.Exists(target))
        {
            return !isDirectory ? Sibling(target) : throw new CommandException("cannot copy directory");
        }

        var trimmed = target.TrimEnd('/');
        if (target.EndsWith('/') && !isDirectory)
        {
            throw new CommandException("no such directory");
        }

        var sibling = Sibling(trimmed.Length == 0 ? "/" : trimmed);
        if (!System.IO.Directory.Exists(sibling.Directory))
        {
            throw new CommandException($"invalid output path: directory {GoQuote.Quote(sibling.Directory)} does not exist");
        }

        return sibling;
    }

    private static LocalTarget Sibling(string path) => new(Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/", Path.GetFileName(path));
}
