using System.Text;
using Cais.Build.Patterns;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Build.Files;

/// <summary>Which files of a source tree a copy takes: by path or wildcard, minus what is ignored or excluded.</summary>
internal sealed class SourceSelection(RootDirectory root, IgnoreFile ignore, IgnoreFile exclude)
{
    public RootDirectory Root => root;

    /// <summary>
    /// The paths (without slash in front) that a source means, in order. A path without wildcards that is not there is an error;
    /// a wildcard may match nothing. With <paramref name="parents"/>, <c>**</c> matches any number of directories.
    /// </summary>
    public IReadOnlyList<string> Match(string source, bool parents)
    {
        var path = GoPath.Rooted(source)[1..];
        if (!PathPattern.HasWildcards(path))
        {
            if (root.Status(path) is null || (path.Length > 0 && ignore.IsIgnored(path) && !ignore.MayHaveExceptionsBelow(path)))
            {
                throw new SourceNotFoundException($"\"/{path}\": not found");
            }

            return [path];
        }

        var matches = new List<string>();
        var elements = path.Split('/');
        Expand("", elements, 0, parents, matches);
        matches.Sort(StringComparer.Ordinal);
        return [.. matches.Distinct()];
    }

    /// <summary>Whether a file is left out; <paramref name="path"/> counts from the tree's root, <paramref name="relative"/> from the source.</summary>
    public bool IsLeftOut(string path, string relative) => ignore.IsIgnored(path) || (relative.Length > 0 && exclude.IsIgnored(relative));

    /// <summary>Whether a directory that is left out must still be looked into.</summary>
    public bool MayHaveExceptionsBelow(string path, string relative) =>
        (!ignore.IsIgnored(path) || ignore.MayHaveExceptionsBelow(path)) && (relative.Length == 0 || !exclude.IsIgnored(relative) || exclude.MayHaveExceptionsBelow(relative));

    /// <summary>Whether a copy of <paramref name="source"/> has what is at a path below it, or something of that if it is a directory.</summary>
    public bool Takes(string source, string below)
    {
        var relative = GoPath.Rooted(below)[1..];
        var path = source.Length == 0 ? relative : relative.Length == 0 ? source : $"{source}/{relative}";
        return root.Status(path) is { } status && (!IsLeftOut(path, relative) || (status.Kind == FileKind.Directory && MayHaveExceptionsBelow(path, relative)));
    }

    /// <summary>The names in a directory, in byte order, each with NUL.</summary>
    public static List<byte[]> Names(FileDescriptor directory)
    {
        var names = DirectoryEntries.Read(directory.Number);
        names.Sort(static (a, b) => a.AsSpan().SequenceCompareTo(b));
        return names;
    }

    public static string Text(byte[] name) => Encoding.UTF8.GetString(name, 0, name.Length - 1);

    private void Expand(string prefix, string[] elements, int at, bool parents, List<string> matches)
    {
        if (at == elements.Length)
        {
            if (prefix.Length > 0 && !ignore.IsIgnored(prefix))
            {
                matches.Add(prefix);
            }

            return;
        }

        var element = elements[at];
        if (!PathPattern.HasWildcards(element))
        {
            var next = prefix.Length == 0 ? element : $"{prefix}/{element}";
            if (root.Status(next) is not null)
            {
                Expand(next, elements, at + 1, parents, matches);
            }

            return;
        }

        var isAnyDepth = parents && element == "**";
        if (isAnyDepth)
        {
            Expand(prefix, elements, at + 1, parents, matches);
        }

        using var directory = root.Find(prefix, FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (directory is null)
        {
            return;
        }

        var pattern = PathPattern.Parse(element, allowsDoubleStar: false);
        foreach (var name in Names(directory).Select(Text))
        {
            var next = prefix.Length == 0 ? name : $"{prefix}/{name}";
            if (isAnyDepth)
            {
                if (at == elements.Length - 1)
                {
                    Expand(next, elements, at + 1, parents, matches);
                }
                else if (root.Find(next, followLast: false) is { } entry)
                {
                    using (entry)
                    {
                        if (RootDirectory.StatusOf(entry, next).Kind == FileKind.Directory)
                        {
                            Expand(next, elements, at, parents, matches);
                        }
                    }
                }
            }
            else if (pattern.IsMatch(name))
            {
                Expand(next, elements, at + 1, parents, matches);
            }
        }
    }
}

/// <summary>A path that a copy names is not there.</summary>
public sealed class SourceNotFoundException(string message) : IOException(message);
