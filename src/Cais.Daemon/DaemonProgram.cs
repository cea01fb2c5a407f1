using System.IO.Pipelines;
using System.Runtime.InteropServices;
using Cais.Daemon.Authorization;
using Cais.Daemon.Configuration;
using Cais.Daemon.Endpoints;
using Cais.Daemon.Http;
using Cais.Daemon.Metrics;
using Cais.Engine;
using Cais.Engine.Logging;
using Cais.Linux;

namespace Cais.Daemon;

/// <summary>The daemon from its command line to its end.</summary>
internal static class DaemonProgram
{
    /// <summary>How long requests in progress may go on when the daemon is told to end.</summary>
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1);

    public static async Task<int> Run(IReadOnlyList<string> arguments)
    {
        DaemonSettings settings;
        DaemonOptions options;
        try
        {
            settings = DaemonSettings.Load(arguments);
            if (settings.Flag("help"))
            {
                Usage.Write(Console.Out);
                return 0;
            }

            if (settings.Flag("version"))
            {
                Console.Out.WriteLine($"Cais version {Product.Version}, build {Product.Commit}");
                return 0;
            }

            options = DaemonOptions.From(settings);
            if (settings.Flag("validate"))
            {
                Console.Error.WriteLine("configuration OK");
                return 0;
            }
        }
        catch (ConfigurationException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }

        var log = new EngineLog(Console.Error, options.LogLevel, options.LogJson);
        try
        {
            return await Serve(settings, options, log).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The last word of a daemon that cannot go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            log.Error("failed to start daemon", ("error", e is ConfigurationException ? e.Message : Errors.Detail(e)));
            return 1;
        }
    }

    /// <summary>
    /// A published port, a stream or a client is a descriptor: the usual limit of 1024 is for programs that use select(2). What was the limit stays that of
    /// containers, some of which walk through all that they may have.
    /// </summary>
    private static DescriptorLimit TakeAllDescriptors(EngineLog log)
    {
        var given = DescriptorLimit.OfThisProcess();
        try
        {
            (given with { Soft = given.Hard }).ApplyTo(0);
        }
        catch (LinuxException e)
        {
            log.Warn("the limit of open files stays as it is", ("limit", given.Soft), ("error", e.Message));
        }

        return given;
    }

    private static async Task<int> Serve(DaemonSettings settings, DaemonOptions options, EngineLog log)
    {
        using var ending = new CancellationTokenSource();
        Signals.RestoreDefault(Signals.Hangup); // it means to read the configuration again, also to who was started by nohup
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using var pidFile = PidFile.Claim(options.PidFile);
        log.Info("Starting up", ("version", Product.Version));
        var ids = new UserRemap().Resolve(options.UserRemap);
        if (ids is null && options.UserRemap is { Length: > 0 })
        {
            log.Warn("user namespaces are off: root cannot stand in for root", ("userns-remap", options.UserRemap));
        }

        options = options with { Engine = options.Engine with { ContainerDescriptors = TakeAllDescriptors(log), ContainerIds = ids } };
        var doors = Doors.Of(options, log);
        var engine = await CaisEngine.Open(options.Engine, options.Images, options.Networks, log, TimeProvider.System, ending.Token).ConfigureAwait(false);
        await using (engine.ConfigureAwait(false))
        {
            var router = new Router();
            var system = new SystemEndpoints(engine, options, [.. doors.Unprotected]);
            ApiRoutes.Map(router, engine, system);
            var metrics = options.Metrics is null ? null : new DaemonMetrics(engine, system.Id);
            await using var metricsServer = metrics is null ? null : await MetricsServer.Start(metrics, options.Metrics!, ending.Token).ConfigureAwait(false);
            var authorization = new AuthorizationPlugins(engine.Plugins, options.AuthorizationPlugins);
            using var reload = new Reload(engine, options, system.Id, log, authorization, () => DaemonSettings.Load(settings.Arguments));
            var application = new ApiApplication(router, options.OldestApi, $"Cais/{Product.Version} (linux)", options.Engine.Experimental, log, metrics, authorization);
            var buildKit = BuildKitEndpoints.Open(engine, options.Engine, application, log);
            new BuildKitEndpoints(buildKit).Map(router);

            // Plugins are asked about requests of the API; calls that come without one would pass them by.
            Task Calls(IDuplexPipe client, CancellationToken gone) => authorization.Names.Count > 0 ? Task.CompletedTask : buildKit.ServeAsync(client, gone);
            var server = new ApiServer(doors.Listeners, new Http2Connection(Calls));
            await using (buildKit.ConfigureAwait(false))
            await using (server.ConfigureAwait(false))
            {
                await server.Start(application, ending.Token).ConfigureAwait(false);
                doors.Opened();
                foreach (var door in doors.Listeners)
                {
                    log.Info("API listen on " + door.Address.Describe());
                }

                ServiceManager.Ready();
                log.Info("Daemon has completed initialization");
                using var trimmer = new IdleTrimmer(application);
                await Task.Delay(Timeout.Infinite, ending.Token).ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
                log.Info("Processing signal 'terminated'");
                using var grace = new CancellationTokenSource(StopGrace);
                await server.Stop(grace.Token).ConfigureAwait(false);
            }
        }

        doors.Close();
        log.Info("Daemon shutdown complete");
        return 0;

        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            ending.Cancel();
        }
    }
}
