namespace Cais.Runtime.Tests.Support;

/// <summary>The natively compiled program as <c>build.sh</c> left it before stripping: with its symbols.</summary>
internal static class PublishedRuntime
{
    public static string Program { get; } = Find();

    private static string Find()
    {
        var program = System.IO.Path.Combine(SourceTree.Root, "artifacts", "publish", "Cais.RuntimeCli", "cais-runtime");
        return File.Exists(program) ? program : throw new InvalidOperationException($"{program} is missing: run ./build.sh first");
    }
}
