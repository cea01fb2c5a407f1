using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Runtime.Checkpoint;

/// <summary>Runs criu(8) and explains what it says.</summary>
internal static class CriuProgram
{
    private const string EnterCgroups = """while [ "$1" != -- ]; do echo $$ > "$1" || exit 126; shift; done; shift; exec "$@" """;

    /// <summary>Arguments that both directions have in common.</summary>
    public static List<string> Arguments(string action, MigrationOptions options, string workPath)
    {
        List<string> arguments =
        [
            action, "--images-dir", options.ImagePath, "--work-dir", workPath, "--log-file", LogName(action), "-v4",
            "--manage-cgroups=" + (options.ManageCgroups ?? "soft"),
        ];
        Add(options.TcpEstablished, "--tcp-established");
        Add(options.ExternalUnixSockets, "--ext-unix-sk");
        Add(options.ShellJob, "--shell-job");
        Add(options.FileLocks, "--file-locks");
        Add(options.AutoDedup, "--auto-dedup");
        Add(options.LazyPages, "--lazy-pages");
        if (options.NetworkLock is { } method)
        {
            arguments.AddRange(["--network-lock", method]);
        }

        foreach (var space in options.EmptyNamespaces)
        {
            arguments.AddRange(["--empty-ns", space is "network" or "net" ? "net" : throw new RuntimeException(
                RuntimeError.InvalidConfig, $"--empty-ns {space}: only the network namespace can be left empty")]);
        }

        return arguments;

        void Add(bool wanted, string flag)
        {
            if (wanted)
            {
                arguments.Add(flag);
            }
        }
    }

    /// <param name="program">A name for PATH, or a path.</param>
    /// <param name="arguments">The first is the action.</param>
    /// <param name="workPath">Where the log is.</param>
    /// <param name="passed">Become descriptors from 3 on.</param>
    /// <param name="cgroups">Files to enter cgroups through, before criu begins: what it restores is born there.</param>
    public static void Run(
        string program, IReadOnlyList<string> arguments, string workPath, IReadOnlyList<FileDescriptor> passed, IReadOnlyList<string> cgroups)
    {
        var (reader, writer) = Files.Pipe();
        using var output = reader;
        ExitStatus status;
        string text;
        try
        {
            using var child = ChildProcess.Start(new ChildCommand
            {
                Program = cgroups.Count > 0 ? "/bin/sh" : program,
                Arguments = cgroups.Count > 0 ? ["-c", EnterCgroups, "sh", .. cgroups, "--", program, .. arguments] : arguments,
                Descriptors = [null, writer, writer, .. passed],
            });
            writer.Dispose();
            text = Encoding.UTF8.GetString(Files.ReadAll(output, "criu's output"));
            status = Pidfd.Wait(child.PidFd);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.EACCES)
        {
            throw Missing(program, e);
        }
        finally
        {
            writer.Dispose();
        }

        if (status.ShellCode == 127)
        {
            throw Missing(program, null);
        }

        if (status.ShellCode != 0)
        {
            throw new RuntimeException(RuntimeError.Failed, Explain(arguments[0], status, text, $"{workPath}/{LogName(arguments[0])}"));
        }
    }

    private static string LogName(string action) => action + ".log";

    private static RuntimeException Missing(string program, Exception? inner) => new(
        RuntimeError.Failed, $"cannot run \"{program}\": checkpoint and restore need criu (Debian: apt install criu), or its path in --criu", inner);

    /// <summary>The first errors of the log say what went wrong, the last only that something did.</summary>
    private static string Explain(string action, ExitStatus status, string output, string log)
    {
        var errors = new List<string>();
        try
        {
            foreach (var line in File.ReadLines(log))
            {
                if (line.Contains("Error (", StringComparison.Ordinal) && errors.Count < 4)
                {
                    errors.Add(line[line.IndexOf("Error (", StringComparison.Ordinal)..].Trim());
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It did not get as far as its log.
        }

        if (errors.Count == 0)
        {
            errors.AddRange(output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.Contains("Error", StringComparison.Ordinal)).Take(4));
        }

        var code = status.ShellCode.ToString(CultureInfo.InvariantCulture);
        return $"criu {action} failed with exit code {code}: {(errors.Count > 0 ? string.Join("; ", errors) : output.Trim())} (log: {log}; `criu check` tells what this kernel lacks)";
    }
}
