using System.Diagnostics;
using System.Text;

namespace Cais.Testing;

/// <summary>Runs another program to its end, or leaves it running under a handle that ends it.</summary>
public static class Command
{
    /// <summary>Runs a program and waits for it; at the deadline ends it and fails with what it had said.</summary>
    /// <param name="stdin">Bytes for its standard input, which is closed after them; null for an empty input.</param>
    public static async Task<ProcessResult> Run(
        string program,
        IEnumerable<string> arguments,
        byte[]? stdin = null,
        IReadOnlyDictionary<string, string?>? environment = null,
        string? directory = null,
        TimeSpan? deadline = null)
    {
        var start = StartInfo(program, arguments, environment, directory);
        var commandLine = $"{program} {string.Join(' ', start.ArgumentList)}";
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"cannot start {commandLine}");
        using var limit = new CancellationTokenSource((deadline ?? TimeSpan.FromSeconds(90)) * Eventually.Slowness);
        var output = new StringBuilder();
        var error = new StringBuilder();
        var reading = Task.WhenAll(Collect(process.StandardOutput, output), Collect(process.StandardError, error));
        try
        {
            await Feed(process, stdin, limit.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            await reading.WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"did not end: $ {commandLine}\n--- stdout\n{output}\n--- stderr\n{error}");
        }

        return new ProcessResult(commandLine, process.ExitCode, output.ToString(), error.ToString());
    }

    /// <summary>Runs a program whose output is bytes (an archive, say).</summary>
    public static async Task<byte[]> RunForBytes(string program, IEnumerable<string> arguments, byte[]? stdin = null)
    {
        using var process = Process.Start(StartInfo(program, arguments, null, null)) ?? throw new InvalidOperationException(program);
        var error = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        var reading = process.StandardOutput.BaseStream.CopyToAsync(output);
        await Feed(process, stdin, CancellationToken.None).ConfigureAwait(false);
        await reading.ConfigureAwait(false);
        await process.WaitForExitAsync().ConfigureAwait(false);
        return process.ExitCode == 0 ? output.ToArray() : throw new InvalidOperationException($"{program}: {await error.ConfigureAwait(false)}");
    }

    /// <summary>Starts a program that runs on, its output collected in the handle.</summary>
    public static BackgroundProcess Start(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? directory = null) =>
        new(StartInfo(program, arguments, environment, directory));

    private static ProcessStartInfo StartInfo(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment, string? directory)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = directory ?? "/",
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        return start;
    }

    private static async Task Feed(Process process, byte[]? stdin, CancellationToken cancellation)
    {
        try
        {
            if (stdin is not null)
            {
                await process.StandardInput.BaseStream.WriteAsync(stdin, cancellation).ConfigureAwait(false);
            }

            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended without reading all of its input, which is its right.
        }
    }

    private static async Task Collect(StreamReader from, StringBuilder to)
    {
        var buffer = new char[4096];
        for (int n; (n = await from.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
        {
            lock (to)
            {
                to.Append(buffer, 0, n);
            }
        }
    }
}
