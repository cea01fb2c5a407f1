using Cais.Engine.Containers;
using Cais.Engine.Logging;
using Cais.Engine.Logs.Files;
using Cais.Engine.Logs.Remote;

namespace Cais.Engine.Logs;

/// <summary>
/// Opens and reads containers' logs. A driver whose receiver cannot be asked for lines gets a copy on disk beside it (docker's dual logging), unless
/// <c>cache-disabled</c> says otherwise.
/// </summary>
/// <param name="directory">Where each container has a directory by its id.</param>
/// <param name="hostname">The machine's name, for receivers.</param>
/// <param name="log">Hears of receivers and disks that take nothing.</param>
/// <param name="time">The clock of pauses.</param>
/// <param name="journald">The journal's socket.</param>
internal sealed class ContainerLogs(string directory, string hostname, EngineLog log, TimeProvider time, string journald = JournaldReceiver.DefaultSocket)
{
    /// <summary>How long the engine waits at its end for lines that are on their way.</summary>
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(1);

    private static readonly Dictionary<string, string> NoOptions = [];

    private readonly Lock _gate = new();
    private readonly HashSet<Forwarder> _forwarders = [];

    /// <summary>Opens the log for a container's run.</summary>
    /// <exception cref="EngineException">The driver cannot be used on this machine, or an option that was right is so no longer.</exception>
    public ContainerLog? Open(ContainerRecord record)
    {
        var options = record.HostConfig.LogConfig?.Config ?? NoOptions;
        var subject = SubjectOf(record);
        try
        {
            switch (record.LogDriver)
            {
                case LogDrivers.None:
                    return null;
                case LogDrivers.JsonFile or LogDrivers.Local:
                    var files = new RotatedLog(PathOf(record)!, FormatOf(record, subject, options), FileOptionsOf(record, options), log);
                    ILogSink sink = LogDrivers.IsNonBlocking(options) ? new Buffered(files, LogDrivers.BufferSize(options)) : files;
                    return new ContainerLog(sink, null, files);
                default:
                    var (receiver, forwarding) = ReceiverOf(record.LogDriver, subject, options);
                    var cache = PathOf(record) is { } path ? new RotatedLog(path, new LocalFormat(subject.Attributes(options)), FileOptionsOf(record, options), log) : null;
                    return new ContainerLog(cache, Forward(receiver, forwarding), cache);
            }
        }
        catch (EngineException e)
        {
            throw EngineException.System($"failed to create task for container: failed to initialize logging driver: {e.Message}", e);
        }
    }

    /// <summary>The container's lines, from the files of this run, or of the last when it does not run.</summary>
    /// <exception cref="EngineException">Nothing is kept that could be read.</exception>
    public IAsyncEnumerable<(LogEntry Entry, string? Attributes)> Read(ContainerRecord record, ContainerLog? live, LogQuery query, CancellationToken cancellation) =>
        PathOf(record) is { } path
            ? RotatedLogReader.Read(record.LogDriver == LogDrivers.JsonFile ? new JsonFormat([]) : new LocalFormat(NoOptions), path, live?.Files, query, cancellation)
            : throw EngineException.NotImplemented("configured logging driver does not support reading");

    /// <summary>What inspect tells of where the log is: json-file's path, which others read too; docker keeps the others to itself.</summary>
    public string PublicPath(ContainerRecord record) => record.LogDriver == LogDrivers.JsonFile ? PathOf(record)! : "";

    /// <summary>Waits a moment for what is still on its way.</summary>
    public async Task Finish()
    {
        Forwarder[] forwarders;
        lock (_gate)
        {
            forwarders = [.. _forwarders];
        }

        foreach (var forwarder in forwarders)
        {
            forwarder.Dispose();
        }

        await Task.WhenAny(Task.WhenAll(forwarders.Select(f => f.Finished)), Task.Delay(EndPatience, time)).ConfigureAwait(false);
    }

    private LogSubject SubjectOf(ContainerRecord record) => new()
    {
        Id = record.Id,
        Name = record.Name,
        ImageId = record.ImageId,
        ImageName = record.Config.Image ?? "",
        CommandLine = record.CommandLine,
        Created = record.Created,
        Labels = record.Config.Labels ?? NoOptions,
        Environment = record.Config.Env ?? [],
        Hostname = hostname,
    };

    /// <summary>The newest file; null when the driver keeps none.</summary>
    private string? PathOf(ContainerRecord record)
    {
        var own = Path.Combine(directory, record.Id);
        switch (record.LogDriver)
        {
            case LogDrivers.None:
                return null;
            case LogDrivers.JsonFile:
                return Path.Combine(own, record.Id + "-json.log");
            case LogDrivers.Local:
                Directory.CreateDirectory(Path.Combine(own, "local-logs"));
                return Path.Combine(own, "local-logs", "container.log");
            default:
                return LogOption.Bool(record.HostConfig.LogConfig?.Config ?? NoOptions, "cache-disabled", false) ? null : Path.Combine(own, "container-cached.log");
        }
    }

    private static FileLogOptions FileOptionsOf(ContainerRecord record, IReadOnlyDictionary<string, string> options) => record.LogDriver switch
    {
        LogDrivers.JsonFile => FileLogOptions.ParseJsonFile(options),
        LogDrivers.Local => FileLogOptions.ParseLocal(options),
        _ => FileLogOptions.ParseLocal(options, "cache-"),
    };

    private static ILogFormat FormatOf(ContainerRecord record, LogSubject subject, IReadOnlyDictionary<string, string> options)
    {
        var attributes = subject.Attributes(options);
        if (options.GetValueOrDefault("tag") is { Length: > 0 })
        {
            attributes["tag"] = subject.Tag(options);
        }

        return record.LogDriver == LogDrivers.JsonFile ? new JsonFormat(JsonLine.WriteAttributes(attributes)) : new LocalFormat(attributes);
    }

    private (ILogReceiver Receiver, ForwarderOptions Options) ReceiverOf(string driver, LogSubject subject, IReadOnlyDictionary<string, string> options)
    {
        var forwarding = LogDrivers.IsNonBlocking(options)
            ? new ForwarderOptions { NonBlocking = true, LargestQueue = LogDrivers.BufferSize(options) }
            : new ForwarderOptions();
        switch (driver)
        {
            case LogDrivers.Journald:
                return Path.Exists(journald)
                    ? (new JournaldReceiver(subject, options, journald), forwarding)
                    : throw EngineException.System("journald is not enabled on this host");
            case LogDrivers.Syslog:
                return (new SyslogReceiver(subject, options), forwarding);
            case LogDrivers.Fluentd:
                return (new FluentdReceiver(subject, options), FluentdReceiver.Options(forwarding, options));
            case LogDrivers.Gelf:
                return (new GelfReceiver(subject, options), GelfReceiver.Options(forwarding, options));
            default:
                throw EngineException.InvalidParameter($"logger: no log driver named '{driver}' is registered");
        }
    }

    private Forwarder Forward(ILogReceiver receiver, ForwarderOptions options)
    {
        var forwarder = new Forwarder(receiver, options, log, time);
        lock (_gate)
        {
            _forwarders.Add(forwarder);
        }

        forwarder.Finished.ContinueWith(
            _ =>
            {
                lock (_gate)
                {
                    _forwarders.Remove(forwarder);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return forwarder;
    }
}
