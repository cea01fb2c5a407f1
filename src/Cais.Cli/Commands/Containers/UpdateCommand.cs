using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Values;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>update</c>: other limits and another restart policy for existing containers.</summary>
internal static class UpdateCommand
{
    private static readonly Flag<long> Cpus = Flags.Custom("cpus", "decimal", "Number of CPUs", 0L, static (text, _) => ResourceOptions.NanoCpus(text), api: "1.29");
    private static readonly Flag<long> PidsLimit = ContainerFlags.PidsLimit.Since("1.40");
    private static readonly Flag<string> Restart = Flags.Text("restart", "When to start the container again after it exits");

    public static Command Define() => new()
    {
        Use = "update [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Change the limits of one or more containers",
        Aliases = ["container update", "update"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags =
        [
            ContainerFlags.BlkioWeight, ContainerFlags.CpuPeriod, ContainerFlags.CpuQuota, ContainerFlags.CpuRtPeriod, ContainerFlags.CpuRtRuntime,
            ContainerFlags.CpuShares, Cpus, ContainerFlags.CpusetCpus, ContainerFlags.CpusetMems, ContainerFlags.KernelMemory,
            ContainerFlags.Memory, ContainerFlags.MemoryReservation, ContainerFlags.MemorySwap, PidsLimit, Restart,
        ],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        if (!context.Command.Flags.Any(context.Flags.Changed))
        {
            throw new CommandException("you must provide one or more flags when using this command");
        }

        ContainerUpdateRequest update;
        try
        {
            update = Request(context);
        }
        catch (FormatException e)
        {
            throw new CommandException(e.Message);
        }

        var warnings = new List<string>();
        var code = await EachArgument.RunAsync(context, async Task<string?> (name) =>
        {
            var answer = await context.Session.Engine.UpdateContainerAsync(name, update).ConfigureAwait(false);
            warnings.AddRange(answer.Warnings ?? []);
            return name;
        }).ConfigureAwait(false);
        if (warnings.Count > 0)
        {
            context.Session.Out.Write(string.Join('\n', warnings) + "\n");
        }

        return code;
    }

    private static ContainerUpdateRequest Request(CommandContext context) => new()
    {
        BlkioWeight = (int)context.Get(ContainerFlags.BlkioWeight),
        CpuPeriod = context.Get(ContainerFlags.CpuPeriod),
        CpuQuota = context.Get(ContainerFlags.CpuQuota),
        CpuRealtimePeriod = context.Get(ContainerFlags.CpuRtPeriod),
        CpuRealtimeRuntime = context.Get(ContainerFlags.CpuRtRuntime),
        CpuShares = context.Get(ContainerFlags.CpuShares),
        NanoCpus = context.Get(Cpus),
        CpusetCpus = context.Get(ContainerFlags.CpusetCpus),
        CpusetMems = context.Get(ContainerFlags.CpusetMems),
        Memory = context.Get(ContainerFlags.Memory),
        MemoryReservation = context.Get(ContainerFlags.MemoryReservation),
        MemorySwap = context.Get(ContainerFlags.MemorySwap),
        PidsLimit = context.Flags.Changed(PidsLimit) ? context.Get(PidsLimit) : null,
        RestartPolicy = context.Get(Restart) is { Length: > 0 } policy ? ResourceOptions.ParseRestart(policy) : null,
    };
}
