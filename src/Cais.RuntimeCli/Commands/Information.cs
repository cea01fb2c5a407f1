using System.Text;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary>What needs no container: version, help, features, plan.</summary>
internal static class Information
{
    public static int Version()
    {
        // Engines look for these three words. As runc's packages do, a release stands for the commit that it was built from.
        var version = typeof(Information).Assembly.GetName().Version?.ToString(3);
        Output.Line($"{CommandLine.Program} version {version}\ncommit: v{version}\nspec: {Spec.NewestVersion}");
        return 0;
    }

    public static int Help()
    {
        var text = new StringBuilder($"{CommandLine.Program}: an OCI container runtime\n\nUsage: {CommandLine.Program} [global options] command [command options] [arguments...]\n\nCommands:\n");
        foreach (var name in CommandTable.Names)
        {
            text.Append($"  {name,-11} {CommandTable.Find(name)!.Summary}\n");
        }

        Append(text.Append("\nGlobal options:\n"), CommandTable.Global);
        Output.Write(Encoding.UTF8.GetBytes(text.ToString()));
        return 0;
    }

    public static int Help(Command command)
    {
        var text = new StringBuilder($"Usage: {CommandLine.Program} [global options] {command.Name} {command.Usage}\n\n{command.Summary}\n");
        if (command.Options.Length > 0)
        {
            Append(text.Append("\nOptions:\n"), command.Options);
        }

        Output.Write(Encoding.UTF8.GetBytes(text.ToString()));
        return 0;
    }

    private static void Append(StringBuilder text, Option[] options)
    {
        foreach (var option in options)
        {
            var names = string.Join(", ", option.Name.Split('|').Select(name => (name.Length > 1 ? "--" : "-") + name));
            text.Append($"  {names + (option.Value is null ? "" : " " + option.Value),-32} {option.Help}\n");
        }
    }

    public static int Features()
    {
        Output.Write(FeaturesDocument.Write(RuntimeFeatures.Describe()));
        return 0;
    }

    public static int Plan(Arguments options)
    {
        var spec = options.Value("config") is { } config ? Documents.ReadSpec(Linux.Files.ReadAll(config), config) : null;
        Output.Write(Encoding.UTF8.GetBytes(
            PlanText.Of(options.Rest.Count > 0 ? options.Rest[0] : "container", options.Value("bundle") ?? ".", spec)));
        return 0;
    }
}
