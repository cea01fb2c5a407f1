namespace Cais.Engine;

/// <summary>Whole directories of the engine's own.</summary>
internal static class Trees
{
    /// <summary>Deletes a directory with what is in it; does nothing when there is none. Symbolic links in it are removed, not followed.</summary>
    public static void Delete(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }

    /// <summary>Bytes of the files in a directory; what disappears while counting counts nothing.</summary>
    public static long Size(string path)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        try
        {
            return Directory.Exists(path) ? new DirectoryInfo(path).EnumerateFiles("*", options).Sum(f => f.Exists ? f.Length : 0) : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
