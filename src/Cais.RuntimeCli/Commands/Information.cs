using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary>What needs no container: version, help, features, plan.</summary>
internal static class Information
{
    public static int Version()
    {
        Output.Line($"{CommandLine.Program} version {typeof(Information).Assembly.GetName().Version?.ToString(3)}\nspec: {Spec.NewestVersion}");
        return 0;
    }

    public static int Help()
    {
        Output.Line($"""
            {CommandLine.Program}: an OCI container runtime

            Usage: {CommandLine.Program} [global options] command [command options] [arguments...]

            Commands:
              create      make a container; its program waits for start
              start       let the program of a created container begin
              run         create and start
              state       print a container's state
              kill        send a signal to a container's first process
              delete      remove a stopped container
              exec        start another process in a running container
              ps          list a container's processes
              list        list containers
              pause       stop all processes of a container
              resume      let them go on
              update      change a container's limits
              events      print statistics and out-of-memory events
              plan        print every system call that would make a container
              spec        write a configuration to start from
              features    print what this runtime can do
              checkpoint  freeze a container to files (needs criu)
              restore     go on from such files (needs criu)

            Global options:
              --root DIR              where containers' states are kept (default /run/cais-runtime)
              --log FILE              log file (default: standard error)
              --log-format FORMAT     text or json
              --debug                 log more
              --systemd-cgroup        cgroups are made by systemd (also --cgroup-manager systemd)
              --rootless BOOL         accepted; the kernel is asked instead
              --criu PATH             the criu program
              --version, -v           print the version
              --help, -h              print this
            """);
        return 0;
    }

    public static int Features()
    {
        Output.Write(FeaturesDocument.Write(RuntimeFeatures.Describe()));
        return 0;
    }

    public static int Plan(string[] args)
    {
        var options = Arguments.Parse(args, ["help|h"], ["bundle|b", "config|f"]);
        var spec = options.Value("config") is { } config ? Documents.ReadSpec(Linux.Files.ReadAll(config), config) : null;
        Output.Write(System.Text.Encoding.UTF8.GetBytes(
            PlanText.Of(options.Rest.Count > 0 ? options.Rest[0] : "container", options.Value("bundle") ?? ".", spec)));
        return 0;
    }
}
