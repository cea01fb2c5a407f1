using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>list</c> and <c>ps</c>.</summary>
internal static class ListCommands
{
    public static int List(Invocation invocation, Arguments options)
    {
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

    /// <summary>The container's processes: as a list of numbers, or as ps(1) shows them (with its options behind the id; -ef otherwise).</summary>
    public static int Processes(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        var pids = new List<int>(container.Pids());
        pids.Sort();
        switch (options.Value("format") ?? "table")
        {
            case "json":
                Output.Line("[" + string.Join(',', pids) + "]");
                return 0;
            case "table":
                Output.Write(Encoding.UTF8.GetBytes(ProcessTable.Of(pids, options.Rest.Count > 1 ? [.. options.Rest.Skip(1)] : ["-ef"])));
                return 0;
            default:
                throw new UsageException("invalid format option: table and json are known");
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
                text.Append(i == row.Length - 1 ? row[i] : row[i].PadRight(Math.Max(widths[i] + 3, 12)));
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
