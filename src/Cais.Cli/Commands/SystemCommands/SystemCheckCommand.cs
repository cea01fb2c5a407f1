using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>system check</c>, which docker does not have: verifies what the store holds.</summary>
internal static class SystemCheckCommand
{
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only what is damaged", 'q');
    private static readonly Flag<bool> Repair = Flags.Bool("repair", "Fetch damaged content again from its registry, and unpack damaged layers again");

    public static Command Define() => new()
    {
        Use = "check [OPTIONS]",
        Summary = "Verify all images' content, and repair it",
        Description = "Verify every blob by its digest and every unpacked layer file by file.\nThe exit status is 1 if something is damaged and was not repaired.",
        Flags = [Quiet, Repair],
        Run = static async context =>
        {
            var session = context.Session;
            var request = new EngineRequest("POST", "/system/check").With("repair", context.Get(Repair))
                .WithHeader("X-Registry-Config", context.Get(Repair) ? new RegistryCredentials(session.Configuration).AllHeader() : null);
            using var response = await session.Engine.SendAsync(request).ConfigureAwait(false);
            await new ProgressDisplay(context.Get(Quiet) ? TextWriter.Null : session.Out, session.Streams.OutIsTerminal).ShowAsync(response.ReadJsonStream()).ConfigureAwait(false);
            return 0;
        },
    };
}
