using System.Text;

namespace Cais.Cli.Tests.Fake;

/// <summary>Runs the client inside the test process, or another client beside it, and keeps what it printed.</summary>
internal sealed record CliRun(int ExitCode, string Output, string Error)
{
    public static async Task<CliRun> CaisAsync(FakeEngine? engine, string[] arguments, string input = "", IReadOnlyDictionary<string, string>? environment = null)
    {
        var output = new MemoryStream();
        var error = new MemoryStream();
        var encoding = new UTF8Encoding(false);
        await using var outWriter = new StreamWriter(output, encoding) { NewLine = "\n", AutoFlush = true };
        await using var errWriter = new StreamWriter(error, encoding) { NewLine = "\n", AutoFlush = true };
        var streams = new StandardStreams
        {
            RawIn = new MemoryStream(Encoding.UTF8.GetBytes(input)),
            RawOut = output,
            RawErr = error,
            Out = outWriter,
            Err = errWriter,
        };
        using var session = new Session(streams, name => Environment(engine, environment).GetValueOrDefault(name));
        var code = await new CommandLine.CommandRunner(session, Commands.RootCommand.Define()).RunAsync(arguments);
        return new CliRun(code, encoding.GetString(output.ToArray()), encoding.GetString(error.ToArray()));
    }

    public static async Task<CliRun> DockerAsync(string program, FakeEngine engine, string[] arguments, string input = "", IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new System.Diagnostics.ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach (var (name, value) in Environment(engine, environment))
        {
            start.Environment[name] = value;
        }

        using var process = System.Diagnostics.Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CliRun(process.ExitCode, await output, await error);
    }

    private static Dictionary<string, string> Environment(FakeEngine? engine, IReadOnlyDictionary<string, string>? extra)
    {
        var environment = new Dictionary<string, string>
        {
            ["HOME"] = "/nonexistent",
            ["DOCKER_CONFIG"] = "/nonexistent/.docker",
            ["DOCKER_HOST"] = "unix://" + (engine?.SocketPath ?? "/nonexistent.sock"),
            ["DOCKER_CLI_HINTS"] = "false",
            ["TZ"] = "UTC",
        };
        foreach (var (name, value) in extra ?? new Dictionary<string, string>())
        {
            environment[name] = value;
        }

        return environment;
    }
}
