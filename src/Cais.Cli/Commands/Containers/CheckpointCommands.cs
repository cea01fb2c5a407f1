using System.Text;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>checkpoint ...</c></summary>
internal static class CheckpointGroup
{
    private static readonly Flag<string> Directory = Flags.Text("checkpoint-dir", "Where checkpoints are kept");
    private static readonly Flag<bool> LeaveRunning = Flags.Bool("leave-running", "Do not stop the container");

    public static Command Define() => new()
    {
        Use = "checkpoint COMMAND",
        Summary = "Manage checkpoints",
        Category = CommandCategory.Management,
        Children = [Create, List, Remove],
    };

    private static Command Create() => new()
    {
        Use = "create [OPTIONS] CONTAINER CHECKPOINT",
        Summary = "Save the state of a running container",
        Arguments = ArgumentRule.Exactly(2),
        Flags = [Directory, LeaveRunning],
        Run = static async context =>
        {
            var body = new StringBuilder("{\"CheckpointID\":");
            GoJson.WriteString(body, context.Arguments[1]);
            body.Append(",\"CheckpointDir\":");
            GoJson.WriteString(body, context.Get(Directory));
            body.Append(",\"Exit\":").Append(context.Get(LeaveRunning) ? "false" : "true").Append('}');
            await context.Session.Engine.ExecuteAsync(new EngineRequest("POST", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/checkpoints")
            {
                Body = Encoding.UTF8.GetBytes(body.ToString()),
                ContentType = "application/json",
            }).ConfigureAwait(false);
            context.Session.Out.Write(context.Arguments[1] + "\n");
            return 0;
        },
    };

    private static Command List() => new()
    {
        Use = "ls [OPTIONS] CONTAINER",
        Summary = "List the checkpoints of a container",
        OtherNames = ["list"],
        Aliases = ["checkpoint ls", "checkpoint list"],
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Directory],
        Run = static async context =>
        {
            using var answer = await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/checkpoints").With("dir", context.Get(Directory))).ConfigureAwait(false);
            var names = answer.RootElement.ValueKind == System.Text.Json.JsonValueKind.Array ? answer.RootElement.EnumerateArray().Select(static c => c.Text("Name")) : [];
            context.Session.Out.Write(TabWriter.Align("CHECKPOINT NAME\n" + string.Concat(names.Select(static n => n + "\n"))));
            return 0;
        },
    };

    private static Command Remove() => new()
    {
        Use = "rm [OPTIONS] CONTAINER CHECKPOINT",
        Summary = "Remove a checkpoint",
        OtherNames = ["remove"],
        Aliases = ["checkpoint rm", "checkpoint remove"],
        Arguments = ArgumentRule.Exactly(2),
        Flags = [Directory],
        Run = static async context =>
        {
            await context.Session.Engine.ExecuteAsync(
                new EngineRequest("DELETE", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/checkpoints/{EngineRequest.Escape(context.Arguments[1])}")
                    .With("dir", context.Get(Directory))).ConfigureAwait(false);
            return 0;
        },
    };
}
