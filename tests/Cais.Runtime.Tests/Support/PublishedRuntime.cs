namespace Cais.Runtime.Tests.Support;

/// <summary>The natively compiled program with its symbols, published once for all tests that need it.</summary>
internal static class PublishedRuntime
{
    private static readonly Lazy<string> Published = new(Publish);

    /// <summary>With its symbols in it.</summary>
    public static string Program => Published.Value;

    private static string Publish()
    {
        var root = SourceTree.Root;
        var output = System.IO.Path.Combine(root, "artifacts", "test", "cais-runtime");
        var program = System.IO.Path.Combine(output, "cais-runtime");
        if (File.Exists(program) && File.GetLastWriteTimeUtc(program) > NewestSource(root))
        {
            return program;
        }

        var start = new System.Diagnostics.ProcessStartInfo(
            "dotnet", ["publish", System.IO.Path.Combine(root, "src/Cais.RuntimeCli"), "-c", "Release", "-p:StripSymbols=false", "-o", output, "-v", "q"])
        {
            RedirectStandardOutput = true,
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 && File.Exists(program) ? program : throw new InvalidOperationException($"publishing the runtime failed: {text}");
    }

    private static DateTime NewestSource(string root) => new[] { "Cais.Linux", "Cais.Oci", "Cais.Runtime", "Cais.RuntimeCli" }
        .SelectMany(project => Directory.EnumerateFiles(System.IO.Path.Combine(root, "src", project), "*.cs*", SearchOption.AllDirectories))
        .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))
        .Max(File.GetLastWriteTimeUtc);
}
