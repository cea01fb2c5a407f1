using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>What a Dockerfile may not ask for by itself, and what this machine cannot run: said before anything is run.</summary>
internal static class Entitlements
{
    public static void Check(BuildRequest request, BuildPlan plan)
    {
        foreach (var run in plan.Steps().OfType<RunStep>())
        {
            if (run.IsInsecure && !request.AllowInsecure)
            {
                throw new DockerfileException("security.insecure is not allowed: the build must be started with --allow security.insecure", run.Range).InFile(request.Dockerfile);
            }

            if (run.Network == RunNetwork.Host && request.Options.Network != RunNetwork.Host && !request.AllowHostNetwork)
            {
                throw new DockerfileException("network.host is not allowed: the build must be started with --allow network.host", run.Range).InFile(request.Dockerfile);
            }

            if (!Emulation.CanRun(run.Platform))
            {
                throw new DockerfileException(
                    $"this machine ({Platform.Current}) cannot run programs for {run.Platform}: install qemu-user-static and binfmt-support, or build stages that only compile with FROM --platform=$BUILDPLATFORM",
                    run.Range).InFile(request.Dockerfile);
            }
        }
    }

    private static DockerfileException InFile(this DockerfileException e, DockerfileSource? file) => file is null ? e : e.In(file);
}

/// <summary>Which machines' programs this one runs: its own, and those that the kernel has an interpreter for (binfmt_misc).</summary>
internal static class Emulation
{
    private const string Registry = "/proc/sys/fs/binfmt_misc";

    public static bool CanRun(Platform platform) => platform.Os == "linux" && (Runs(platform.Architecture) || HasInterpreter(platform.Architecture));

    private static bool Runs(string architecture) => (Platform.Current.Architecture, architecture) switch
    {
        ("amd64", "386") => true,
        var (own, other) => own == other,
    };

    /// <summary>Flag F: the interpreter was opened when it was registered, so that it is found inside containers too.</summary>
    private static bool HasInterpreter(string architecture)
    {
        var name = architecture switch
        {
            "amd64" => "x86_64",
            "386" => "i386",
            "arm64" => "aarch64",
            var same => same,
        };
        try
        {
            return File.ReadLines(Path.Combine(Registry, "qemu-" + name)).ToList() is var lines
                && lines.Contains("enabled") && lines.Exists(l => l.StartsWith("flags:", StringComparison.Ordinal) && l.Contains('F', StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false;
        }
    }
}
