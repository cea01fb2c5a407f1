using System.Globalization;
using System.Text.Json;
using Cais.Cli.Formatting;

namespace Cais.Cli.Commands.Containers;

/// <summary>A container's ports in one line: "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 9000-9002/tcp".</summary>
internal static class PortList
{
    public static string Display(IEnumerable<JsonElement> ports)
    {
        var sorted = ports
            .Select(static p => (Private: (int)p.Number("PrivatePort"), Public: (int)p.Number("PublicPort"), Ip: p.Text("IP"), Type: p.Text("Type")))
            .OrderBy(static p => p.Private).ThenBy(static p => p.Ip, StringComparer.Ordinal).ThenBy(static p => p.Public).ThenBy(static p => p.Type, StringComparer.Ordinal);
        var result = new List<string>();
        var moved = new List<string>();
        var groups = new List<(string Ip, string Type, int First, int Last)>();
        foreach (var port in sorted)
        {
            // A port that the host has under another number stands alone; equal numbers next to each other make a range.
            if (port.Ip.Length > 0 && port.Public != port.Private)
            {
                moved.Add($"{Endpoint(port.Ip, Text(port.Public))}->{port.Private}/{port.Type}");
                continue;
            }

            var index = groups.FindIndex(g => g.Ip == port.Ip && g.Type == port.Type);
            if (index < 0)
            {
                groups.Add((port.Ip, port.Type, port.Private, port.Private));
            }
            else if (port.Private == groups[index].Last + 1)
            {
                groups[index] = groups[index] with { Last = port.Private };
            }
            else
            {
                result.Add(Group(groups[index]));
                groups[index] = (port.Ip, port.Type, port.Private, port.Private);
            }
        }

        result.AddRange(groups.Select(Group));
        result.AddRange(moved);
        return string.Join(", ", result);
    }

    /// <summary>Address and port with brackets around IPv6.</summary>
    public static string Endpoint(string ip, string port) => ip.Contains(':') ? $"[{ip}]:{port}" : $"{ip}:{port}";

    private static string Group((string Ip, string Type, int First, int Last) group)
    {
        var range = group.First == group.Last ? Text(group.First) : $"{group.First}-{group.Last}";
        return (group.Ip.Length > 0 ? $"{Endpoint(group.Ip, range)}->{range}" : range) + "/" + group.Type;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
