using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Builds;

/// <summary><c>builder du</c></summary>
internal static class BuilderDiskUsage
{
    private static readonly Flag<bool> Verbose = Flags.Bool("verbose", "Show everything that is known of each record");

    public static Command Define() => new()
    {
        Use = "du [OPTIONS]",
        Summary = "Show the disk usage of the build cache",
        Flags = [Verbose],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        using var answer = await context.Session.Engine.GetDocumentAsync(new EngineRequest("GET", "/system/df").With("type", "build-cache")).ConfigureAwait(false);
        var records = answer.RootElement.Member("BuildCache") is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().ToList() : [];
        long total = 0, shared = 0, reclaimable = 0;
        var output = context.Session.Out;
        if (!context.Get(Verbose))
        {
            output.Write($"{"ID",-36}{"RECLAIMABLE",-12}{"SIZE",-12}LAST ACCESSED\n");
        }

        foreach (var record in records)
        {
            var size = record.Number("Size");
            var (inUse, isShared) = (record.Truth("InUse"), record.Truth("Shared"));
            total += size;
            shared += isShared ? size : 0;
            reclaimable += inUse ? 0 : size;
            var used = record.Text("LastUsedAt");
            if (context.Get(Verbose))
            {
                output.Write($"ID:\t\t{record.Text("ID")}\nCreated at:\t{record.Text("CreatedAt")}\nMutable:\t{(record.Text("Type") == "exec.cachemount" ? "true" : "false")}\nReclaimable:\t{(inUse ? "false" : "true")}\nShared:\t\t{(isShared ? "true" : "false")}\nSize:\t\t{Human.Size(size)}\nDescription:\t{record.Text("Description")}\nUsage count:\t{record.Number("UsageCount")}\nLast used:\t{used}\nType:\t\t{record.Text("Type")}\n\n");
            }
            else
            {
                output.Write($"{record.Text("ID"),-36}{(inUse ? "false" : "true"),-12}{Human.Size(size),-12}{used}\n");
            }
        }

        output.Write($"{(shared > 0 ? $"Shared:\t\t{Human.Size(shared)}\nPrivate:\t{Human.Size(total - shared)}\n" : "")}Reclaimable:\t{Human.Size(reclaimable)}\nTotal:\t\t{Human.Size(total)}\n");
        return 0;
    }
}
