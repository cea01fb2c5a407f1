namespace Cais.Build.Graph;

/// <summary>Makes and removes files of the first input, one change after another, in one layer.</summary>
public sealed class FileStep(Step root, IReadOnlyList<FileChange> changes, string name) : Step([root], name)
{
    public IReadOnlyList<FileChange> Changes { get; } = changes;

    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Changes.Count);
        foreach (var change in Changes)
        {
            hash.Add(change.GetType().Name).Add(change.Path);
            change.Define(hash);
        }
    }
}

/// <summary>One change of a <see cref="FileStep"/>. Paths are absolute, and resolved within the file system.</summary>
public abstract record FileChange(string Path)
{
    internal abstract void Define(DefinitionHash hash);
}

/// <summary>What a new file, directory or link looks like besides its kind.</summary>
/// <param name="Owner"><c>user[:group]</c>, or null for 0:0.</param>
/// <param name="Time">Nanoseconds since 1970, or null for now.</param>
public sealed record NewFileLook(string? Owner, long? Time)
{
    internal void Define(DefinitionHash hash) => hash.Add(Owner).Add(Time ?? -1);
}

/// <summary>A directory. One that is there stays as it is.</summary>
/// <param name="MakesParents">Whether directories above it that are missing are made too; if not, they must be there.</param>
public sealed record NewDirectory(string Path, uint Permissions, bool MakesParents, NewFileLook Look) : FileChange(Path)
{
    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Permissions).Add(MakesParents);
        Look.Define(hash);
    }
}

/// <summary>A file, or new content and permissions of one that is there.</summary>
public sealed record NewFile(string Path, uint Permissions, ReadOnlyMemory<byte> Content, NewFileLook Look) : FileChange(Path)
{
    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Permissions).Add(Content.Span);
        Look.Define(hash);
    }
}

/// <summary>A symbolic link, where nothing is yet.</summary>
public sealed record NewLink(string Path, string Target, NewFileLook Look) : FileChange(Path)
{
    internal override void Define(DefinitionHash hash)
    {
        hash.Add(Target);
        Look.Define(hash);
    }
}

/// <summary>Removes a file or a directory with everything in it; with wildcards, all that match.</summary>
public sealed record Removal(string Path, bool AllowsMissing, bool HasWildcards) : FileChange(Path)
{
    internal override void Define(DefinitionHash hash) => hash.Add(AllowsMissing).Add(HasWildcards);
}
