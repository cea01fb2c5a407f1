using System.Diagnostics;
using Cais.Api;
using Containerd.Task.V2;

namespace Cais.Engine.Containers;

/// <summary>The processes of a container, as the host's ps shows them.</summary>
internal static class ContainerTop
{
    public static async Task<ContainerTopResponse> Run(Container container, string arguments, CancellationToken cancellation)
    {
        if (container.Task is not { } task || !container.Status.HasProcess)
        {
            throw EngineException.Conflict($"container {container.Id} is not running");
        }

        if (arguments.Any(c => c is '\'' or '"' or '\\' or ';' or '|' or '&' or '$'))
        {
            throw EngineException.InvalidParameter("ps arguments must not be quoted");
        }

        var pids = (await task.Shim.Tasks.PidsAsync(new PidsRequest { Id = container.Id }, cancellation).ConfigureAwait(false))
            .Processes.Select(p => (int)p.Pid).ToHashSet();
        var start = new ProcessStartInfo(Programs.Which("ps") ?? throw EngineException.System("docker top needs the program ps on the host"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var word in arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            start.ArgumentList.Add(word);
        }

        using var ps = Process.Start(start)!;
        var errors = ps.StandardError.ReadToEndAsync(cancellation);
        var output = await ps.StandardOutput.ReadToEndAsync(cancellation).ConfigureAwait(false);
        await ps.WaitForExitAsync(cancellation).ConfigureAwait(false);
        if (ps.ExitCode != 0)
        {
            throw EngineException.System($"error running ps: {(await errors.ConfigureAwait(false)).Trim()}");
        }

        return Parse(output, pids);
    }

    internal static ContainerTopResponse Parse(string output, IReadOnlySet<int> pids)
    {
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var titles = lines.Length > 0 ? lines[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) : [];
        var pidColumn = Array.IndexOf(titles, "PID");
        if (pidColumn < 0)
        {
            throw EngineException.System("Couldn't find PID field in ps output");
        }

        var processes = new List<IReadOnlyList<string>>();
        foreach (var line in lines.Skip(1))
        {
            // The last column is the command, which has spaces of its own.
            var fields = line.Split((char[]?)null, titles.Length, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (fields.Length > pidColumn && int.TryParse(fields[pidColumn], out var pid) && pids.Contains(pid))
            {
                processes.Add(fields);
            }
        }

        return new ContainerTopResponse { Titles = titles, Processes = processes };
    }
}
