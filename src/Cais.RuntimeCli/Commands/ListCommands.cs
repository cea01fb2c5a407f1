using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>list</c> and <c>ps</c>.</summary>
internal static class ListCommands
{
    public static int List(Invocation invocation, string[] args)
    {
        var options = Arguments.Parse(args, ["quiet|q", "help|h"], ["format|f"]);
        var states = new List<ContainerState>(invocation.Runtime.List());
        states.Sort((a, b) => string.CompareOrdinal(a.Id, b.Id));
        if (options.Has("quiet"))
        {
            foreach (var state in states)
            {
                Output.Line(state.Id);
            }

            return 0;
        }

        switch (options.Value("format") ?? "table")
        {
            case "json":
                Output.Write(Json(states));
                return 0;
            case "table":
                Output.Write(Encoding.UTF8.GetBytes(Table(states)));
                return 0;
            default:
                throw new UsageException("invalid format option: table and json are known");
        }
    }

    /// <summary>The container's processes: as a list of numbers, or as ps(1) shows them.</summary>
    public static int Processes(Invocation invocation, string[] args)
    {
        var options = Arguments.Parse(args, ["help|h"], ["format|f"], stopAtArgument: true);
        using var container = invocation.Runtime.Load(options.Id("ps"));
        var pids = new List<int>(container.Pids());
        pids.Sort();
        if ((options.Value("format") ?? "table") == "json")
        {
            Output.Line("[" + string.Join(',', pids) + "]");
            return 0;
        }

        var text = new StringBuilder("UID          PID    PPID  C STIME TTY          TIME CMD\n");
        foreach (var pid in pids)
        {
            text.Append(ProcessLine(pid));
        }

        Output.Write(Encoding.UTF8.GetBytes(text.ToString()));
        return 0;
    }

    private static string ProcessLine(int pid)
    {
        try
        {
            var command = Encoding.UTF8.GetString(Files.ReadAll($"/proc/{pid}/cmdline")).Replace('\0', ' ').TrimEnd();
            var uid = "0";
            var parent = "0";
            foreach (var line in Encoding.UTF8.GetString(Files.ReadAll($"/proc/{pid}/status")).Split('\n'))
            {
                var fields = line.Split('\t', StringSplitOptions.RemoveEmptyEntries);
                uid = fields is ["Uid:", var real, ..] ? real : uid;
                parent = fields is ["PPid:", var number, ..] ? number : parent;
            }

            return string.Create(CultureInfo.InvariantCulture, $"{uid,-8} {pid,7} {parent,7}  0 ?     ?        00:00:00 {command}\n");
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ESRCH)
        {
            return "";
        }
    }

    private static byte[] Json(List<ContainerState> states)
    {
        var json = new JsonText().BeginArray();
        foreach (var state in states)
        {
            state.WriteTo(json);
        }

        return json.EndArray().ToLine();
    }

    private static string Table(List<ContainerState> states)
    {
        string[][] rows = [["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], .. Rows(states)];
        var widths = new int[6];
        foreach (var row in rows)
        {
            for (var i = 0; i < row.Length; i++)
            {
                widths[i] = Math.Max(widths[i], row[i].Length);
            }
        }

        var text = new StringBuilder();
        foreach (var row in rows)
        {
            for (var i = 0; i < row.Length; i++)
            {
                text.Append(i == row.Length - 1 ? row[i] : row[i].PadRight(widths[i] + 3));
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    private static List<string[]> Rows(List<ContainerState> states)
    {
        var rows = new List<string[]>();
        foreach (var state in states)
        {
            rows.Add(
            [
                state.Id, state.Pid.ToString(CultureInfo.InvariantCulture), state.Status, state.Bundle, state.Created ?? "", state.Owner ?? "",
            ]);
        }

        return rows;
    }
}
