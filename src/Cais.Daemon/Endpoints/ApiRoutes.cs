using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>Everything that the Engine API serves, but for BuildKit's part, which needs the application that it is a part of.</summary>
internal static class ApiRoutes
{
    public static void Map(Router router, CaisEngine engine, SystemEndpoints system)
    {
        system.Map(router);
        new ContainerEndpoints(engine).Map(router);
        new ExecEndpoints(engine).Map(router);
        new ImageEndpoints(engine).Map(router);
        new BuildEndpoints(engine).Map(router);
        new NativeBuildEndpoints(engine).Map(router);
        new NetworkEndpoints(engine).Map(router);
        new VolumeEndpoints(engine).Map(router);
        SwarmEndpoints.Map(router);
        PluginEndpoints.Map(router);
        new DebugEndpoints(engine).Map(router);
    }
}
