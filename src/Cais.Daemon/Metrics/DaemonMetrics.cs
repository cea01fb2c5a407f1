using System.Globalization;
using Cais.Engine;
using Cais.Engine.Containers;

namespace Cais.Daemon.Metrics;

/// <summary>What the daemon counts and measures, under dockerd's names, so that dashboards made for docker work.</summary>
internal sealed class DaemonMetrics
{
    private readonly Durations _containerActions = new(
        "engine_daemon_container_actions_seconds", "The number of seconds it takes to process each container action", "action", ["changes", "commit", "create", "delete", "start"]);

    private readonly Durations _imageActions = new(
        "engine_daemon_image_actions_seconds", "The number of seconds it takes to process each image action", "action", ["delete", "pull", "push"]);

    private readonly Durations _networkActions = new(
        "engine_daemon_network_actions_seconds", "The number of seconds it takes to process each network action", "action", ["connect", "release"]);

    private readonly Durations _hostInfo = new(
        "engine_daemon_host_info_functions_seconds", "The number of seconds it takes to call functions gathering info about the host", "function", ["system_info", "system_version"]);

    private readonly IReadOnlyList<Instrument> _instruments;

    private long _builds;
    private long _failedBuilds;

    public DaemonMetrics(CaisEngine engine, string id)
    {
        _instruments =
        [
            new Observed("builder_builds_failed_total", "Number of failed image builds", "counter", () => Interlocked.Read(ref _failedBuilds)),
            new Observed("builder_builds_triggered_total", "Number of triggered image builds", "counter", () => Interlocked.Read(ref _builds)),
            _containerActions,
            new Observed(
                "engine_daemon_container_states_containers", "The count of containers in various states", "gauge", "state", () =>
                {
                    var containers = engine.List();
                    var running = containers.Count(c => c.Status.Phase is Phase.Running or Phase.Restarting);
                    var paused = containers.Count(c => c.Status.Phase == Phase.Paused);
                    return [("paused", paused), ("running", running), ("stopped", containers.Count - running - paused)];
                }),
            new Observed("engine_daemon_engine_cpus_cpus", "The number of cpus that the host system of the engine has", "gauge", () => engine.Host.Processors),
            new Facts(
                "engine_daemon_engine_info",
                "The information related to the engine and the OS it is running on",
                [
                    ("architecture", engine.Host.Machine), ("commit", Product.Commit), ("daemon_id", id), ("graphdriver", "overlayfs"), ("kernel", engine.Host.Kernel),
                    ("os", engine.Host.OperatingSystem), ("os_type", "linux"), ("os_version", engine.Host.OperatingSystemVersion), ("version", Product.Version),
                ]),
            new Observed("engine_daemon_engine_memory_bytes", "The number of bytes of memory that the host system of the engine has", "gauge", () => engine.Host.Memory),
            new Observed("engine_daemon_events_subscribers_total", "The number of current subscribers to events", "gauge", () => engine.Events.Listeners),
            new Observed("engine_daemon_events_total", "The number of events logged", "counter", () => engine.Events.Published),
            new Observed("engine_daemon_health_checks_failed_total", "The total number of failed health checks", "counter", () => engine.HealthChecks.Failed),
            new Observed("engine_daemon_health_checks_total", "The total number of health checks", "counter", () => engine.HealthChecks.Total),
            _hostInfo,
            _imageActions,
            _networkActions,
            .. ProcessMetrics.All(),
        ];
    }

    /// <summary>Prometheus's text format, version 0.0.4.</summary>
    public string Render()
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        foreach (var instrument in _instruments)
        {
            instrument.Write(text);
        }

        return text.ToString();
    }

    /// <summary>A request has been answered with success: what dockerd measures of it, if anything.</summary>
    public void Answered(string method, string pattern, long started)
    {
        switch (method, pattern)
        {
            case ("POST", "/containers/create"):
                _containerActions.RecordSince("create", started);
                break;
            case ("POST", "/containers/{id}/start"):
                _containerActions.RecordSince("start", started);
                break;
            case ("DELETE", "/containers/{id*}"):
                _containerActions.RecordSince("delete", started);
                break;
            case ("GET", "/containers/{id}/changes"):
                _containerActions.RecordSince("changes", started);
                break;
            case ("POST", "/commit"):
                _containerActions.RecordSince("commit", started);
                break;
            case ("POST", "/images/create"):
                _imageActions.RecordSince("pull", started);
                break;
            case ("POST", "/images/{name*}/push"):
                _imageActions.RecordSince("push", started);
                break;
            case ("DELETE", "/images/{name*}"):
                _imageActions.RecordSince("delete", started);
                break;
            case ("POST", "/networks/{id}/connect"):
                _networkActions.RecordSince("connect", started);
                break;
            case ("POST", "/networks/{id}/disconnect"):
                _networkActions.RecordSince("release", started);
                break;
            case ("GET", "/info"):
                _hostInfo.RecordSince("system_info", started);
                break;
            case ("GET", "/version"):
                _hostInfo.RecordSince("system_version", started);
                break;
            case ("POST", "/build"):
                Interlocked.Increment(ref _builds);
                break;
        }
    }

    /// <summary>A request has been refused or has failed.</summary>
    public void Failed(string method, string pattern)
    {
        if (method == "POST" && pattern == "/build")
        {
            Interlocked.Increment(ref _builds);
            Interlocked.Increment(ref _failedBuilds);
        }
    }
}
