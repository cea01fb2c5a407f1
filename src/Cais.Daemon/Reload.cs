using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Cais.Api;
using Cais.Daemon.Authorization;
using Cais.Daemon.Configuration;
using Cais.Engine;
using Cais.Engine.Logging;

namespace Cais.Daemon;

/// <summary>
/// SIGHUP: reads daemon.json again and takes over what may change while the daemon runs, which are dockerd's reloadable settings. A file that is wrong changes
/// nothing.
/// </summary>
internal sealed class Reload : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CaisEngine _engine;
    private readonly DaemonOptions _options;
    private readonly string _id;
    private readonly EngineLog _log;
    private readonly AuthorizationPlugins? _authorization;
    private readonly Func<DaemonSettings> _read;
    private readonly PosixSignalRegistration _signal;

    /// <param name="engine">What is told.</param>
    /// <param name="options">What the daemon began with.</param>
    /// <param name="id">The daemon's own, for the event.</param>
    /// <param name="log">Changes its level, and hears of what is wrong.</param>
    /// <param name="authorization">Asks other plugins from now on.</param>
    /// <param name="read">Reads command line and file.</param>
    public Reload(CaisEngine engine, DaemonOptions options, string id, EngineLog log, AuthorizationPlugins? authorization, Func<DaemonSettings> read)
    {
        (_engine, _options, _id, _log, _authorization, _read) = (engine, options, id, log, authorization, read);
        _signal = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            Now();
        });
    }

    public void Dispose() => _signal.Dispose();

    /// <summary>What a SIGHUP does.</summary>
    public void Now()
    {
        lock (_gate)
        {
            _log.Info("Got signal to reload configuration, reloading from: " + (_options.ConfigFile));
            DaemonOptions now;
            try
            {
                now = DaemonOptions.From(_read());
            }
            catch (ConfigurationException e)
            {
                _log.Error("Error reloading the configuration: nothing is changed", ("error", e.Message));
                return;
            }

            _engine.Reload(now.Engine, now.Images);
            _log.Level = now.LogLevel;
            if (_authorization is not null)
            {
                _authorization.Names = now.AuthorizationPlugins;
            }

            var attributes = Attributes(now);
            _engine.Events.Publish("daemon", "reload", _id, attributes);
            _log.Info("Reloaded configuration", [.. attributes.Select(a => (a.Key, (object?)a.Value))]);
        }
    }

    /// <summary>As dockerd's event has them: lists as JSON.</summary>
    private Dictionary<string, string> Attributes(DaemonOptions now) => new()
    {
        ["name"] = _engine.Host.Hostname,
        ["authorization-plugins"] = Json(now.AuthorizationPlugins),
        ["debug"] = now.Engine.Debug ? "true" : "false",
        ["default-cgroupns-mode"] = now.Engine.DefaultCgroupNamespaceMode ?? "",
        ["default-ipc-mode"] = now.Engine.DefaultIpcMode,
        ["default-runtime"] = now.Engine.DefaultRuntime,
        ["default-shm-size"] = now.Engine.DefaultShmSize.ToString(CultureInfo.InvariantCulture),
        ["insecure-registries"] = Json(now.Images.InsecureRegistries),
        ["labels"] = Json(now.Engine.Labels),
        ["live-restore"] = "true",
        ["max-concurrent-downloads"] = now.Images.MaxConcurrentDownloads.ToString(CultureInfo.InvariantCulture),
        ["max-concurrent-uploads"] = now.Images.MaxConcurrentUploads.ToString(CultureInfo.InvariantCulture),
        ["max-download-attempts"] = now.Images.MaxDownloadAttempts.ToString(CultureInfo.InvariantCulture),
        ["registry-mirrors"] = Json(now.Images.RegistryMirrors),
        ["runtimes"] = string.Join(' ', now.Engine.Runtimes.Select(r => $"{r.Key}:{{{r.Value.Path} {Json(r.Value.Arguments)}}}")),
    };

    private static string Json(IReadOnlyList<string> list) => JsonSerializer.Serialize(list, ApiJson.Default.IReadOnlyListString);
}
