using System.Globalization;
using System.Text.Json;
using Cais.Api;
using Cais.Daemon.Configuration;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Engine.Events;
using Cais.Engine.Volumes;

namespace Cais.Daemon.Endpoints;

/// <summary>/_ping, /version, /info, /events, /system/df</summary>
internal sealed class SystemEndpoints(CaisEngine engine, DaemonOptions options, IReadOnlyList<string>? unprotected = null)
{
    /// <summary>This engine's name, which stays.</summary>
    public string Id { get; } = DaemonId(options.Engine.Root);

    public void Map(Router router)
    {
        router.Map("GET", "/_ping", Ping);
        router.Map("HEAD", "/_ping", Ping);
        router.Map("GET", "/version", r => r.Answer(Version(), ApiJson.Default.SystemVersion));
        router.Map("GET", "/info", r => r.Raw(OlderInfo.Write(Info(), r.Version), "application/json"));
        router.Map("GET", "/events", Events);
        router.Map("GET", "/system/df", DiskUsage);
    }

    private static async Task Ping(ApiRequest request)
    {
        var headers = request.Http.Response.Headers;
        headers["Builder-Version"] = "2";
        headers["Swarm"] = "inactive";
        headers.CacheControl = "no-cache, no-store, must-revalidate";
        headers.Pragma = "no-cache";
        await request.Text("OK");
    }

    private SystemVersion Version()
    {
        var details = new Dictionary<string, string>
        {
            ["ApiVersion"] = ApiVersion.Newest.ToString(),
            ["Arch"] = engine.Host.Architecture,
            ["BuildTime"] = Product.BuildTime,
            ["Experimental"] = engine.Options.Experimental ? "true" : "false",
            ["GitCommit"] = Product.Commit,
            ["GoVersion"] = Product.Runtime,
            ["KernelVersion"] = engine.Host.Kernel,
            ["MinAPIVersion"] = options.OldestApi.ToString(),
            ["Os"] = "linux",
        };
        return new SystemVersion
        {
            Platform = new SystemVersionPlatform { Name = Product.Name },
            Components =
            [
                new SystemVersionComponent
                {
                    Name = "Engine",
                    Version = Product.Version,
                    Details = details.ToDictionary(d => d.Key, d => JsonSerializer.SerializeToElement(d.Value, ApiJson.Default.String)),
                },
            ],
            Version = Product.Version,
            ApiVersion = ApiVersion.Newest.ToString(),
            MinAPIVersion = options.OldestApi.ToString(),
            GitCommit = Product.Commit,
            GoVersion = Product.Runtime,
            Os = "linux",
            Arch = engine.Host.Architecture,
            KernelVersion = engine.Host.Kernel,
            Experimental = engine.Options.Experimental ? true : null,
            BuildTime = Product.BuildTime,
        };
    }

    private SystemInfo Info()
    {
        var containers = engine.List();
        var security = new List<string>();
        if (engine.Host.HasAppArmor)
        {
            security.Add("name=apparmor");
        }

        if (engine.Host.HasSeccomp)
        {
            security.Add($"name=seccomp,profile={engine.Options.SeccompProfile ?? "builtin"}");
        }

        if (engine.Options.ContainerIds is not null)
        {
            security.Add("name=userns");
        }

        if (engine.Host.CgroupVersion == 2)
        {
            security.Add("name=cgroupns");
        }

        if (engine.Options.NoNewPrivileges)
        {
            security.Add("name=no-new-privileges");
        }

        var runtimes = engine.Options.Runtimes.ToDictionary(r => r.Key, r => new RuntimeInfo { Path = r.Value.Path, RuntimeArgs = r.Value.Arguments.Count > 0 ? r.Value.Arguments : null });
        runtimes[RuntimeChoice.BuiltIn] = new RuntimeInfo { Path = "containerd-shim-cais-v2" };
        foreach (var known in (ReadOnlySpan<string>)["runc", "crun"])
        {
            if (Programs.Which(known) is { } path)
            {
                runtimes.TryAdd(known, new RuntimeInfo { Path = path });
            }
        }

        var registries = engine.Images.Options;
        var limits = ResourceFacts.Read(engine.Host.CgroupVersion);
        var forwarding = ReadsOne("/proc/sys/net/ipv4/ip_forward");
        return new SystemInfo
        {
            ID = Id,
            Containers = containers.Count,
            ContainersRunning = containers.Count(c => c.Status.Phase is Phase.Running or Phase.Restarting),
            ContainersPaused = containers.Count(c => c.Status.Phase == Phase.Paused),
            ContainersStopped = containers.Count(c => !c.Status.IsRunning),
            Images = engine.Images.List().Count,
            Driver = "overlayfs",
            DriverStatus = [["driver-type", "io.containerd.snapshotter.v1"]],
            DockerRootDir = engine.Options.Root,
            Plugins = new PluginsInfo
            {
                Volume = engine.Volumes.Drivers(),
                Network = ["bridge", "host", "ipvlan", "macvlan", "null", "overlay", .. engine.Plugins.Known("NetworkDriver")],
                Authorization = options.AuthorizationPlugins.Count > 0 ? options.AuthorizationPlugins : null,
                Log = [.. CaisEngine.LogDriverNames],
            },
            MemoryLimit = limits.Memory,
            SwapLimit = limits.Swap,
            CpuCfsPeriod = limits.Cpu,
            CpuCfsQuota = limits.Cpu,
            CPUShares = limits.Cpu,
            CPUSet = limits.CpuSet,
            PidsLimit = limits.Pids,
            OomKillDisable = engine.Host.CgroupVersion == 1 && limits.Memory,
            IPv4Forwarding = forwarding,
            Debug = engine.Options.Debug,
            NFd = Directory.EnumerateFileSystemEntries("/proc/self/fd").Count(),
            NGoroutines = ThreadPool.ThreadCount,
            SystemTime = engine.Time.GetLocalNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffffzzz", CultureInfo.InvariantCulture),
            LoggingDriver = engine.Options.LogDriver,
            CgroupDriver = "cgroupfs",
            CgroupVersion = engine.Host.CgroupVersion.ToString(CultureInfo.InvariantCulture),
            NEventsListener = engine.Events.Listeners,
            KernelVersion = engine.Host.Kernel,
            OperatingSystem = engine.Host.OperatingSystem,
            OSVersion = engine.Host.OperatingSystemVersion,
            OSType = "linux",
            Architecture = engine.Host.Machine,
            NCPU = engine.Host.Processors,
            MemTotal = engine.Host.Memory,
            IndexServerAddress = "https://index.docker.io/v1/",
            RegistryConfig = new RegistryServiceConfig
            {
                InsecureRegistryCIDRs = ["::1/128", "127.0.0.0/8", .. registries.InsecureRegistries.Where(r => r.Contains('/'))],
                IndexConfigs = registries.InsecureRegistries.Where(r => !r.Contains('/'))
                    .Select(r => new IndexInfo { Name = r, Mirrors = [], Secure = false, Official = false })
                    .Append(new IndexInfo { Name = "docker.io", Mirrors = registries.RegistryMirrors, Secure = true, Official = true })
                    .GroupBy(i => i.Name!)
                    .ToDictionary(g => g.Key, g => g.Last()),
                Mirrors = registries.RegistryMirrors,
            },
            GenericResources = null,
            HttpProxy = engine.Options.HttpProxy ?? "",
            HttpsProxy = engine.Options.HttpsProxy ?? "",
            NoProxy = engine.Options.NoProxy ?? "",
            Name = engine.Host.Hostname,
            Labels = engine.Options.Labels,
            ExperimentalBuild = engine.Options.Experimental,
            ServerVersion = Product.Version,
            Runtimes = runtimes,
            DefaultRuntime = engine.Options.DefaultRuntime,
            Swarm = new SwarmInfo { NodeID = "", NodeAddr = "", LocalNodeState = "inactive", ControlAvailable = false, Error = "", RemoteManagers = null },
            LiveRestoreEnabled = true,
            Isolation = "",
            InitBinary = "cais-init",
            ContainerdCommit = new CommitInfo { ID = "" },
            RuncCommit = new CommitInfo { ID = "" },
            InitCommit = new CommitInfo { ID = "" },
            SecurityOptions = security,
            DefaultAddressPools = options.Networks.DefaultAddressPools.Count == 0 ? null
                : [.. options.Networks.DefaultAddressPools.Select(p => new SystemInfoDefaultAddressPool { Base = p.Base.ToString(), Size = p.Size })],
            FirewallBackend = new FirewallInfo { Driver = "nftables" },
            CDISpecDirs = engine.Options.CdiDirectories,
            DiscoveredDevices = Devices(),
            Warnings = [.. Warnings(limits, forwarding)],
            NRI = new NRIInfo { Info = [["enabled", "false"]] },
        };
    }

    /// <summary>What <c>--device</c> and <c>--gpus</c> can name.</summary>
    private IReadOnlyList<DeviceInfo>? Devices() =>
        engine.Cdi.List().Devices is { Count: > 0 } devices ? [.. devices.Select(d => new DeviceInfo { Source = "cdi", ID = d })] : null;

    /// <summary>What an administrator should know, in docker's words.</summary>
    private IEnumerable<string> Warnings(ResourceFacts limits, bool forwarding)
    {
        foreach (var address in unprotected ?? [])
        {
            yield return $"WARNING: API is accessible on {address} without encryption.\n         Access to the remote API is equivalent to root access on the host. Refer\n"
                + "         to the 'Docker daemon attack surface' section in the documentation for\n         more information: https://docs.docker.com/go/attack-surface/";
        }

        foreach (var (there, name) in ((bool, string)[])
        [
            (limits.Memory, "memory limit"), (limits.Swap || !limits.Memory, "swap limit"), (limits.Cpu, "cpu cfs quota"), (limits.Cpu, "cpu cfs period"), (limits.Cpu, "cpu shares"),
            (limits.CpuSet, "cpuset"), (limits.Pids, "pids limit"),
        ])
        {
            if (!there)
            {
                yield return $"WARNING: No {name} support";
            }
        }

        if (!forwarding)
        {
            yield return "WARNING: IPv4 forwarding is disabled";
        }
    }

    private static bool ReadsOne(string path) => File.Exists(path) && File.ReadAllText(path).Trim() == "1";

    private async Task Events(ApiRequest request)
    {
        var filters = request.Filters();
        var since = Time(request, "since");
        var until = Time(request, "until");
        if (since > until)
        {
            throw EngineException.InvalidParameter($"`since` time (\"{request.Query("since")}\") cannot be after `until` time (\"{request.Query("until")}\")");
        }

        var form = OlderImage.VersionFor(request.Version, request.Http.Request.Headers.UserAgent);
        var accept = request.Http.Request.Headers.Accept.ToString();
        var (type, before) = accept.Contains("application/json-seq", StringComparison.Ordinal) ? ("application/json-seq", "\x1e"u8.ToArray())
            : accept.Contains("application/x-ndjson", StringComparison.Ordinal) ? ("application/x-ndjson", [])
            : request.Version >= new ApiVersion(1, 52) ? ("application/jsonl", [])
            : ("application/json", Array.Empty<byte>());
        var listening = engine.Events.Listen(since, until, request.Gone).GetAsyncEnumerator(request.Gone);
        await using (listening)
        {
            // Begun before the head goes out: who has the head misses nothing that follows.
            var next = listening.MoveNextAsync();
            var writer = await request.Stream(type);
            while (await next)
            {
                var message = listening.Current;
                var hidden = message is { Type: "image", Action: "create" } && request.Version < new ApiVersion(1, 46);
                if (!hidden && EventBus.Matches(message, filters)
                    && !await Lines.Write(writer, Older.Adapt(message, form), ApiJson.Default.EventMessage, before))
                {
                    return;
                }

                next = listening.MoveNextAsync();
            }
        }
    }

    private DateTimeOffset? Time(ApiRequest request, string name) => request.Query(name) switch
    {
        null => null,
        var text => Timestamps.Parse(text, engine.Time.GetUtcNow()) ?? throw EngineException.InvalidParameter($"invalid value for \"{name}\": {text}"),
    };

    private async Task DiskUsage(ApiRequest request)
    {
        var types = request.QueryAll("type");
        foreach (var type in types)
        {
            if (type is not ("container" or "image" or "volume" or "build-cache"))
            {
                throw EngineException.InvalidParameter($"unknown object type: {type}");
            }
        }

        bool Wants(string type) => types.Count == 0 || types.Contains(type);
        var containers = engine.List();
        var answer = new SystemDataUsageResponse();
        var modern = request.Version >= new ApiVersion(1, 52);
        var verbose = !modern || request.Flag("verbose");
        var legacy = !modern || !request.Flag("verbose");
        if (Wants("image"))
        {
            var counts = containers.GroupBy(c => c.Record.ImageId).ToDictionary(g => g.Key, g => (long)g.Count());
            var images = engine.Images.List();
            var usage = engine.Images.Usage(id => counts.ContainsKey(id.ToString()));
            IReadOnlyList<ImageSummary> items =
            [
                .. images.Select(i => ImageEndpoints.Summarize(i, i.RepoTags, counts.GetValueOrDefault(i.Id.ToString()), request) with
                {
                    SharedSize = usage.Shared.GetValueOrDefault(i.Id),
                    Containers = counts.GetValueOrDefault(i.Id.ToString()),
                }),
            ];
            answer = answer with
            {
                ImageUsage = modern ? new ImagesDiskUsage
                {
                    TotalCount = images.Count,
                    ActiveCount = images.Count(i => counts.ContainsKey(i.Id.ToString())),
                    TotalSize = usage.Total,
                    Reclaimable = usage.Reclaimable,
                    Items = verbose ? items : null,
                } : null,
                LayersSize = legacy ? usage.Total : null,
                Images = legacy ? items : null,
            };
        }

        if (Wants("container"))
        {
            IReadOnlyList<ContainerSummary> items = [.. containers.Select(c => Older.Adapt(engine.Summarize(c, size: true), request.Version))];
            answer = answer with
            {
                ContainerUsage = modern ? new ContainersDiskUsage
                {
                    TotalCount = containers.Count,
                    ActiveCount = containers.Count(c => c.Status.IsRunning),
                    TotalSize = items.Sum(i => i.SizeRw ?? 0),
                    Reclaimable = items.Where(i => i.State is not ("running" or "paused" or "restarting")).Sum(i => i.SizeRw ?? 0),
                    Items = verbose ? items : null,
                } : null,
                Containers = legacy ? items : null,
            };
        }

        if (Wants("volume"))
        {
            IReadOnlyList<VolumeInfo> items =
            [
                .. engine.Volumes.List().Select(v => VolumeStore.Describe(v) with
                {
                    UsageData = new VolumeInfoUsageData { Size = VolumeStore.SizeOf(v), RefCount = engine.Volumes.UsersOf(v.Name).Count },
                }),
            ];
            answer = answer with
            {
                VolumeUsage = modern ? new VolumesDiskUsage
                {
                    TotalCount = items.Count,
                    ActiveCount = items.Count(v => v.UsageData!.RefCount > 0),
                    TotalSize = items.Sum(v => v.UsageData!.Size ?? 0),
                    Reclaimable = items.Where(v => v.UsageData!.RefCount == 0).Sum(v => v.UsageData!.Size ?? 0),
                    Items = verbose ? items : null,
                } : null,
                Volumes = legacy ? items : null,
            };
        }

        if (Wants("build-cache"))
        {
            var cache = engine.Builds.Cache.Usage();
            var records = cache.Select(c => System.Text.Json.JsonSerializer.SerializeToElement(
                new BuildCacheRecord
                {
                    ID = c.Id,
                    Type = c.Type,
                    Description = c.Description,
                    InUse = c.IsInUse,
                    Shared = c.IsShared,
                    Size = c.Size,
                    CreatedAt = Timestamps.Format(c.Created),
                    LastUsedAt = Timestamps.Format(c.LastUsed),
                    UsageCount = c.UseCount,
                },
                ApiJson.Default.BuildCacheRecord)).ToList();
            answer = answer with
            {
                BuildCacheUsage = modern ? new BuildCacheDiskUsage
                {
                    TotalCount = cache.Count,
                    ActiveCount = cache.Count(c => c.IsInUse),
                    TotalSize = cache.Sum(c => c.Size),
                    Reclaimable = cache.Where(c => !c.IsInUse).Sum(c => c.Size),
                    Items = verbose ? records : null,
                } : null,
                BuildCache = legacy ? records : null,
            };
        }

        await request.Answer(answer, ApiJson.Default.SystemDataUsageResponse);
    }

    /// <summary>A name of this engine that stays: made once and kept beside its data.</summary>
    internal static string DaemonId(string root)
    {
        var path = Path.Combine(root, "engine-id");
        if (File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } known)
        {
            return known;
        }

        var made = Guid.NewGuid().ToString();
        File.WriteAllText(path, made + "\n");
        return made;
    }
}
