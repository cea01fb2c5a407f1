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
