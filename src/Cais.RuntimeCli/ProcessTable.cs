using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Runtime;

namespace Cais.RuntimeCli;

/// <summary>Lines of the host's ps(1) that belong to a container.</summary>
internal static class ProcessTable
{
    public static string Of(IReadOnlyList<int> pids, IReadOnlyList<string> options)
    {
        var lines = Run(options).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var column = lines.Length == 0 ? -1 : Array.IndexOf(Fields(lines[0]), "PID");
        if (column < 0)
        {
            throw new RuntimeException(RuntimeError.Failed, $"ps {string.Join(' ', options)} prints no column PID");
        }

        var text = new StringBuilder().Append(lines[0]).Append('\n');
        foreach (var line in lines.AsSpan(1))
        {
            var fields = Fields(line);
            if (fields.Length > column && int.TryParse(fields[column], NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pids.Contains(pid))
            {
                text.Append(line).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string[] Fields(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string Run(IReadOnlyList<string> options)
    {
        var (reader, writer) = Files.Pipe();
        using var output = reader;
        try
        {
            using var error = new FileDescriptor(2, ownsHandle: false);
            using var ps = ChildProcess.Start(new ChildCommand { Program = "ps", Arguments = options, Descriptors = [null, writer, error] });
            writer.Dispose();
            var text = Encoding.UTF8.GetString(Files.ReadAll(output, "the output of ps"));
            return Pidfd.Wait(ps.PidFd).ShellCode == 0
                ? text : throw new RuntimeException(RuntimeError.Failed, $"ps {string.Join(' ', options)} failed");
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            throw new RuntimeException(RuntimeError.Failed, "there is no ps on this host (procps); `ps --format json` needs none", e);
        }
        finally
        {
            writer.Dispose();
        }
    }
}
