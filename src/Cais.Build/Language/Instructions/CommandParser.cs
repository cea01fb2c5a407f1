using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>RUN, and the shell and exec forms that it shares with CMD, ENTRYPOINT and HEALTHCHECK.</summary>
internal static class CommandParser
{
    public static CommandLine Parse(LogicalText text) =>
        WordReader.JsonStrings(text) is { } words ? new CommandLine(false, words) : new CommandLine(true, text.Length > 0 ? [text.Text] : []);

    public static RunInstruction ParseRun(RawInstruction raw, FlagSet flags)
    {
        var mounts = flags.Many("mount");
        var network = flags.One("network");
        var security = flags.One("security");
        var devices = flags.Many("device");
        var command = Parse(raw.Arguments);
        if (command.Words.Count == 0)
        {
            throw new DockerfileException("RUN requires at least one argument", raw.Range);
        }

        foreach (var mount in mounts)
        {
            // The types and the option names are known before any variable is: say so now, not minutes into a build.
            RunMountParser.Check(mount);
        }

        return new RunInstruction
        {
            Command = command,
            Mounts = mounts,
            Network = network?.Value switch
            {
                null or "default" => RunNetwork.Default,
                "none" => RunNetwork.None,
                "host" => RunNetwork.Host,
                _ => throw new DockerfileException($"invalid network mode \"{network}\": expected default, none or host", network!.Value.Range),
            },
            IsInsecure = security?.Value switch
            {
                null or "sandbox" => false,
                "insecure" => true,
                _ => throw new DockerfileException($"security \"{security}\" is not valid: expected sandbox or insecure", security!.Value.Range),
            },
            Devices = devices,
            Heredocs = raw.Heredocs,
        };
    }
}
