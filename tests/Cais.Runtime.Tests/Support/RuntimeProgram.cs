using Cais.Testing;

namespace Cais.Runtime.Tests.Support;

internal sealed record Ended(int Code, string Output, string Error);

/// <summary>The published program, from CAIS_BIN where it is set.</summary>
internal static class RuntimeProgram
{
    private static int _count;

    public static string Path { get; } = Environment.GetEnvironmentVariable("CAIS_BIN") is { Length: > 0 } folder
        ? System.IO.Path.Combine(folder, "cais-runtime") : PublishedRuntime.Program;

    /// <summary>Output goes to files: a container that outlives the command would keep a pipe open.</summary>
    public static Ended Run(params string[] args)
    {
        var output = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"runtime-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}");
        try
        {
            using var process = System.Diagnostics.Process.Start(
                "/bin/sh", ["-c", $"exec \"$0\" \"$@\" < /dev/null > {output}.out 2> {output}.err", Path, .. args]);
            Assert.True(process.WaitForExit(Eventually.Patience(60)), $"{string.Join(' ', args)} does not end");
            return new Ended(process.ExitCode, File.ReadAllText(output + ".out"), File.ReadAllText(output + ".err"));
        }
        finally
        {
            File.Delete(output + ".out");
            File.Delete(output + ".err");
        }
    }
}
