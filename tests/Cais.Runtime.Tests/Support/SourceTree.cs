namespace Cais.Runtime.Tests.Support;

internal static class SourceTree
{
    /// <summary>The repository's top directory.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Cais.slnx")))
        {
            root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException("the tests do not run from the repository");
        }

        return root;
    }
}
