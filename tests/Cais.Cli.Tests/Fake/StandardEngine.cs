using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Cais.Cli.Tests.Fake;

/// <summary>A fake daemon with two containers, three images and a network, as the golden tests expect it.</summary>
internal static class StandardEngine
{
    public const string WebId = "4f1c2d3e4a5b6c7d8e9f00112233445566778899aabbccddeeff001122334455";
    public const string DbId = "9a8b7c6d5e4f30213243546576879809a1b2c3d4e5f60718293a4b5c6d7e8f90";
    public const string NewId = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
    public const string BusyboxId = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    public const string NginxId = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
    public const string UntaggedId = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

    public static FakeEngine Create()
    {
        var engine = new FakeEngine();
        engine
            .On("GET", "/containers/json", r => new FakeResponse(200, Containers(r.Query.Contains("size=1", StringComparison.Ordinal))))
            .On("GET", "/images/json", _ => new FakeResponse(200, Images()))
            .On("GET", "/version", 200, Version)
            .On("GET", "/info", 200, Info)
            .On("POST", "/containers/create", 201, $$$"""{"Id":"{{{NewId}}}","Warnings":[]}""")
            .On("POST", $"/containers/{NewId}/start", 204)
            .On("POST", $"/containers/{NewId}/wait", 200, """{"StatusCode":3}""" + "\n")
            .On("POST", $"/containers/{NewId}/attach", _ => Talk("to out\n", "to err\n"))
            .On("GET", "/networks", 200, Networks)
            .On("POST", "/networks/create", 201, """{"Id":"feedbeef"}""")
            .On("POST", "/networks/front/connect", 200)
            .On("POST", "/networks/front/disconnect", 200)
            .On("POST", "/networks/prune", 200, """{"NetworksDeleted":["old"]}""")
            .On("DELETE", "/networks/front", 204)
            .On("DELETE", "/networks/missing", 404, """{"message":"network missing not found"}""")
            .On("GET", "/volumes", 200, Volumes)
            .On("POST", "/volumes/create", 201, """{"Name":"data","Driver":"local","Mountpoint":"/x","Labels":{},"Scope":"local","Options":{}}""")
            .On("POST", "/volumes/prune", 200, """{"VolumesDeleted":["v1","v2"],"SpaceReclaimed":2048}""")
            .On("DELETE", "/volumes/missing", 404, """{"message":"get missing: no such volume"}""")
            .On("POST", "/containers/prune", 200, """{"ContainersDeleted":["aaa","bbb"],"SpaceReclaimed":1500}""")
            .On("POST", "/images/prune", 200, """{"ImagesDeleted":[{"Untagged":"x:1"},{"Deleted":"sha256:abc"}],"SpaceReclaimed":4261550}""")
            .On("POST", "/build/prune", 200, """{"CachesDeleted":["c1"],"SpaceReclaimed":7}""")
            .On("GET", "/system/df", _ => new FakeResponse(200, DiskUsage()))
            .On("GET", "/events", 200, Events)
            .On("POST", "/commit", 201, """{"Id":"sha256:c0c0"}""")
            .On("GET", "/images/search", 200, """[{"name":"busybox","description":"A base image\nof fifty two columns and a bit more than that","star_count":3000,"is_official":true,"is_automated":false},{"name":"x/busy","description":"","star_count":4000,"is_official":false,"is_automated":true}]""")
            .On("GET", "/containers/*", r => Inspect(r.Path))
            .On("GET", "/images/*", r => InspectImage(r.Path))
            .On("GET", "/networks/*", r => r.Path == "/networks/bridge" ? new FakeResponse(200, """{"Name":"bridge","Id":"feedbeef","Scope":"local"}""") : NotFound("network", r.Path))
            .On("GET", "/volumes/*", r => FakeEngine.Error(404, $"get {r.Path["/volumes/".Length..]}: no such volume"))
            .On("POST", "/containers/*", r => Verb(r.Path))
            .On("DELETE", "/containers/*", r => IsKnown(r.Path) ? new FakeResponse(204, "") : NotFound("container", r.Path))
            .On("DELETE", "/images/*", r => r.Path.Contains("busybox", StringComparison.Ordinal)
                ? new FakeResponse(200, $$$"""[{"Untagged":"busybox:latest"},{"Deleted":"{{{BusyboxId}}}"}]""")
                : FakeEngine.Error(404, $"No such image: {r.Path["/images/".Length..]}:latest"))
            .On("POST", "/images/*", r => r.Path.StartsWith("/images/busybox/tag", StringComparison.Ordinal) || r.Path.EndsWith("/push", StringComparison.Ordinal)
                ? r.Path.EndsWith("/push", StringComparison.Ordinal) ? new FakeResponse(200, Push) : new FakeResponse(201, "")
                : FakeEngine.Error(404, "No such image: " + r.Path.Split('/')[2]))
            .On("POST", "/images/create", r => r.Query.Contains("missing", StringComparison.Ordinal)
                ? FakeEngine.Error(404, "pull access denied for missing, repository does not exist or needs a login")
                : new FakeResponse(200, Pull))
            .On("POST", "/images/load", _ => new FakeResponse(200, """{"stream":"Loaded image: busybox:latest\n"}""" + "\n"))
            .On("GET", "/images/get", 200, "the archive", "application/x-tar")
            .On("POST", "/exec/e1/start", r => r.Body.Contains("\"Detach\":true", StringComparison.Ordinal) ? new FakeResponse(200, "") : Talk("exec out\n", "exec err\n"))
            .On("GET", "/exec/e1/json", 200, """{"ID":"e1","Running":false,"ExitCode":7}""");
        return engine;
    }

    /// <summary>One frame of the multiplexed stream.</summary>
    public static byte[] Frame(byte stream, string text)
    {
        var payload = Encoding.UTF8.GetBytes(text);
        var frame = new byte[8 + payload.Length];
        frame[0] = stream;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), payload.Length);
        payload.CopyTo(frame, 8);
        return frame;
    }

    public static FakeResponse Talk(string output, string error) => new(101, "", "application/vnd.docker.multiplexed-stream")
    {
        Hijack = stream =>
        {
            stream.Write(Frame(1, output));
            stream.Write(Frame(2, error));
        },
    };

    private static bool IsKnown(string path) =>
        path.Split('/')[2] is "web" or "db" or WebId or DbId or "4f1c2d3e4a5b";

    private static FakeResponse NotFound(string kind, string path) => FakeEngine.Error(404, $"No such {kind}: {path.Split('/')[2]}");

    private static FakeResponse Verb(string path)
    {
        if (!IsKnown(path))
        {
            return NotFound("container", path);
        }

        return path.Split('/')[3] switch
        {
            "exec" => new FakeResponse(201, """{"Id":"e1"}"""),
            "wait" => new FakeResponse(200, """{"StatusCode":5}"""),
            "attach" => Talk("attached out\n", "attached err\n"),
            "update" => new FakeResponse(200, """{"Warnings":["a warning"]}"""),
            _ => new FakeResponse(204, ""),
        };
    }

    private static FakeResponse Inspect(string path)
    {
        if (!IsKnown(path))
        {
            return NotFound("container", path);
        }

        return path.Split('/')[3] switch
        {
            "json" => new FakeResponse(200, Container),
            "top" => new FakeResponse(200, """{"Titles":["PID","USER","COMMAND"],"Processes":[["1","root","nginx: master"],["12345","www-data","nginx: worker process"]]}"""),
            "changes" => new FakeResponse(200, """[{"Path":"/etc","Kind":0},{"Path":"/etc/new","Kind":1},{"Path":"/old","Kind":2}]"""),
            "export" => new FakeResponse(200, "the archive", "application/x-tar"),
            "stats" => new FakeResponse(200, Stats),
            "checkpoints" => new FakeResponse(200, """[{"Name":"cp1"},{"Name":"cp2"}]"""),
            "logs" => new FakeResponse(200, Encoding.UTF8.GetString([.. Frame(1, "line one\n"), .. Frame(2, "line two\n")]), "application/vnd.docker.multiplexed-stream"),
            _ => FakeEngine.Error(404, "page not found"),
        };
    }

    private static FakeResponse InspectImage(string path) => path.EndsWith("/history", StringComparison.Ordinal) ? new FakeResponse(200, History()) : path.Split('/')[2] == "busybox"
        ? new FakeResponse(200, $$$"""{"Id":"{{{BusyboxId}}}","RepoTags":["busybox:latest"],"RepoDigests":[],"Created":"2024-05-18T12:00:00Z","Size":4261550,"Architecture":"amd64","Os":"linux","Config":{"Cmd":["sh"],"Env":["PATH=/bin"],"Labels":null}}""")
        : FakeEngine.Error(404, $"No such image: {path.Split('/')[2]}:latest");

    private static string Unix(TimeSpan ago) => DateTimeOffset.UtcNow.Subtract(ago).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    private const string Sizes = "\"SizeRw\":12288,\"SizeRootFs\":187654321,";
    private const string NoSizes = "\"SizeRw\":0,";

    private static string Containers(bool size) =>
        $$$"""
        [{"Id":"{{{WebId}}}","Names":["/web","/db/link"],"Image":"nginx:1.27@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","ImageID":"{{{NginxId}}}",
        "Command":"/docker-entrypoint.sh nginx -g 'daemon off;'","Created":{{{Unix(TimeSpan.FromMinutes(150))}}},
        "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":443,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":9000,"PublicPort":9000,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":9001,"PublicPort":9001,"Type":"tcp"},{"PrivatePort":53,"Type":"udp"}],
        {{{(size ? Sizes : "")}}}
        "Labels":{"com.example.team":"quay","a":"b"},"State":"running","Status":"Up 2 hours","HostConfig":{"NetworkMode":"default"},
        "NetworkSettings":{"Networks":{"front":{} } },"Mounts":[{"Type":"volume","Name":"a-volume-with-a-long-name","Source":"","Destination":"/data","Driver":"local","RW":true},{"Type":"bind","Source":"/srv","Destination":"/srv","RW":true}]},
        {"Id":"{{{DbId}}}","Names":["/db"],"Image":"{{{BusyboxId}}}","ImageID":"{{{BusyboxId}}}","Command":"sh","Created":{{{Unix(TimeSpan.FromDays(20))}}},"Ports":[],{{{(size ? NoSizes : "")}}}
        "Labels":{},"State":"exited","Status":"Exited (137) 5 days ago","HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{"bridge":{} } },"Mounts":[]}]
        """;

    private static string Images() =>
        $$$"""
        [{"Id":"{{{NginxId}}}","RepoTags":["nginx:1.27","nginx:latest"],"RepoDigests":["nginx@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],"Created":{{{Unix(TimeSpan.FromDays(40))}}},"Size":187654321,"SharedSize":-1,"Containers":1,"Labels":null},
        {"Id":"{{{BusyboxId}}}","RepoTags":["localhost:5000/team/box:v1"],"RepoDigests":["localhost:5000/team/box@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"],"Created":{{{Unix(TimeSpan.FromDays(800))}}},"Size":4261550,"SharedSize":-1,"Containers":-1,"Labels":{"x":"y"}},
        {"Id":"{{{UntaggedId}}}","RepoTags":[],"RepoDigests":[],"Created":{{{Unix(TimeSpan.FromSeconds(45))}}},"Size":999,"SharedSize":-1,"Containers":-1,"Labels":null}]
        """;

    private const string Container =
        $$$"""
        {"Id":"{{{WebId}}}","Created":"2026-01-02T03:04:05.123456789Z","Path":"nginx","Args":["-g","daemon off;"],
        "State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":4242,"ExitCode":0,"Error":"","StartedAt":"2026-01-02T03:04:06Z","FinishedAt":"0001-01-01T00:00:00Z"},
        "Image":"{{{NginxId}}}","Name":"/web","RestartCount":0,"HostConfig":{"Binds":null,"NetworkMode":"default","Memory":536870912,"NanoCpus":1500000000,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"AutoRemove":false},
        "Mounts":[{"Type":"bind","Source":"/srv","Destination":"/srv","Mode":"","RW":true,"Propagation":"rprivate"}],
        "Config":{"Hostname":"4f1c2d3e4a5b","Tty":false,"OpenStdin":false,"Env":["PATH=/bin","A=b<c>&d"],"Cmd":null,"Labels":{"com.example.team":"quay"},"Image":"nginx"},
        "NetworkSettings":{"IPAddress":"172.17.0.2","Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"443/tcp":null},"Networks":{"bridge":{"IPAddress":"172.17.0.2","Gateway":"172.17.0.1"} } } }
        """;

    private const string Version =
        """
        {"Platform":{"Name":"Test Engine"},"Components":[{"Name":"Engine","Version":"28.2.2","Details":{"ApiVersion":"1.50","Arch":"amd64","BuildTime":"2025-05-30T12:07:14.000000000+00:00","Experimental":"false","GitCommit":"abcdef0","GoVersion":"go1.24.3","KernelVersion":"6.1","MinAPIVersion":"1.24","Os":"linux"}},{"Name":"containerd","Version":"1.7.27","Details":{"GitCommit":"05044ec"}}],
        "Version":"28.2.2","ApiVersion":"1.50","MinAPIVersion":"1.24","GitCommit":"abcdef0","GoVersion":"go1.24.3","Os":"linux","Arch":"amd64","KernelVersion":"6.1","BuildTime":"2025-05-30T12:07:14.000000000+00:00"}
        """;

    private const string Info =
        """
        {"ID":"abc-def","Containers":3,"ContainersRunning":1,"ContainersPaused":0,"ContainersStopped":2,"Images":7,"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"],["Supports d_type","true"]],
        "Plugins":{"Volume":["local"],"Network":["bridge","host","none"],"Authorization":null,"Log":["json-file","local"]},"MemoryLimit":true,"SwapLimit":true,"CpuCfsPeriod":true,"CpuCfsQuota":true,"CPUShares":true,"CPUSet":true,"PidsLimit":true,"IPv4Forwarding":true,"Debug":false,"NFd":22,"OomKillDisable":true,"NGoroutines":34,"SystemTime":"2026-01-02T03:04:05Z","LoggingDriver":"json-file","CgroupDriver":"cgroupfs","CgroupVersion":"1","NEventsListener":0,
        "KernelVersion":"6.18.0","OperatingSystem":"Debian GNU/Linux 12 (bookworm)","OSVersion":"12","OSType":"linux","Architecture":"x86_64","IndexServerAddress":"https://index.docker.io/v1/","RegistryConfig":{"InsecureRegistryCIDRs":["::1/128","127.0.0.0/8"],"IndexConfigs":{"docker.io":{"Name":"docker.io","Mirrors":[],"Secure":true,"Official":true}},"Mirrors":null},
        "NCPU":2,"MemTotal":8329850880,"GenericResources":null,"DockerRootDir":"/var/lib/docker","HttpProxy":"","HttpsProxy":"","NoProxy":"","Name":"quay","Labels":[],"ExperimentalBuild":false,"ServerVersion":"28.2.2","Runtimes":{"runc":{"path":"runc"},"io.containerd.runc.v2":{"path":"runc"}},"DefaultRuntime":"runc","Swarm":{"NodeID":"","NodeAddr":"","LocalNodeState":"inactive","ControlAvailable":false,"Error":"","RemoteManagers":null},"LiveRestoreEnabled":false,"Isolation":"","InitBinary":"docker-init","ContainerdCommit":{"ID":"05044ec"},"RuncCommit":{"ID":"v1.2.5"},"InitCommit":{"ID":"de40ad0"},"SecurityOptions":["name=seccomp,profile=builtin","name=cgroupns"],"CDISpecDirs":["/etc/cdi","/var/run/cdi"],"Warnings":["WARNING: something"]}
        """;

    private const string Networks =
        """
        [{"Name":"none","Id":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","Created":"2026-01-02T03:04:05.5Z","Scope":"local","Driver":"null","EnableIPv4":true,"EnableIPv6":false,"Internal":false,"Labels":{}},
        {"Name":"net10","Id":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","Created":"2026-01-02T03:04:05.123456789Z","Scope":"local","Driver":"bridge","EnableIPv4":true,"EnableIPv6":true,"Internal":true,"Labels":{"a":"b","c":"d"}},
        {"Name":"net2","Id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","Created":"2026-01-02T03:04:05Z","Scope":"local","Driver":"bridge","EnableIPv4":true,"EnableIPv6":false,"Internal":false,"Labels":null}]
        """;

    private const string Volumes =
        """
        {"Volumes":[{"Name":"data","Driver":"local","Mountpoint":"/var/lib/x/data/_data","Labels":{"a":"b"},"Scope":"local","Options":null,"CreatedAt":"2026-01-02T03:04:05Z"},{"Name":"cache","Driver":"local","Mountpoint":"/var/lib/x/cache/_data","Labels":null,"Scope":"local","Options":null}],"Warnings":null}
        """;

    private const string Events =
        """
        {"status":"start","id":"4f1c","from":"nginx","Type":"container","Action":"start","Actor":{"ID":"4f1c","Attributes":{"image":"nginx","name":"web"}},"scope":"local","time":1700000001,"timeNano":1700000001000000123}
        {"Type":"network","Action":"connect","Actor":{"ID":"feed","Attributes":{}},"scope":"local","time":1700000002,"timeNano":1700000002500000000}

        """;

    private const string Stats =
        """
        {"read":"2026-01-02T03:04:05Z","preread":"2026-01-02T03:04:04Z","pids_stats":{"current":5,"limit":100},"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":4096000},{"major":8,"minor":0,"op":"Write","value":8192}]},"num_procs":0,
        "cpu_stats":{"cpu_usage":{"total_usage":2000000000,"percpu_usage":[1,2]},"system_cpu_usage":40000000000,"online_cpus":2},"precpu_stats":{"cpu_usage":{"total_usage":1000000000},"system_cpu_usage":30000000000,"online_cpus":2},
        "memory_stats":{"usage":104857600,"stats":{"total_inactive_file":4857600,"inactive_file":4857600},"limit":536870912},"name":"/web","id":"4f1c2d3e4a5b6c7d8e9f00112233445566778899aabbccddeeff001122334455","networks":{"eth0":{"rx_bytes":1234567,"tx_bytes":890},"eth1":{"rx_bytes":1,"tx_bytes":1}}}

        """;

    private static string History() =>
        $$$"""
        [{"Id":"{{{BusyboxId}}}","Created":{{{Unix(TimeSpan.FromDays(40))}}},"CreatedBy":"CMD [\"sh\"] and\ta rather long command line that does not fit","Tags":["busybox:latest"],"Size":0,"Comment":"buildkit.dockerfile.v0"},
        {"Id":"<missing>","Created":1700000000,"CreatedBy":"ADD file","Tags":null,"Size":4261550,"Comment":""}]
        """;

    private static string DiskUsage() =>
        $$$"""
        {"LayersSize":191916871,"Images":{{{Images()}}},"Containers":{{{Containers(true)}}},"Volumes":[{"Name":"data","Driver":"local","Mountpoint":"/x","Labels":null,"Scope":"local","Options":null,"UsageData":{"RefCount":1,"Size":5000}},{"Name":"cache","Driver":"local","Mountpoint":"/x","Labels":null,"Scope":"local","Options":null,"UsageData":{"RefCount":0,"Size":15000}}],
        "BuildCache":[{"ID":"abcdefghijklmnop","Type":"regular","Description":"x","InUse":false,"Shared":false,"Size":1000,"CreatedAt":"{{{DateTimeOffset.UtcNow.AddHours(-5):O}}}","LastUsedAt":"{{{DateTimeOffset.UtcNow.AddHours(-3):O}}}","UsageCount":3}]}
        """;

    private const string Pull =
        """
        {"status":"Pulling from library/busybox","id":"latest"}
        {"status":"Pulling fs layer","progressDetail":{},"id":"aabbccddeeff"}
        {"status":"Downloading","progressDetail":{"current":1024,"total":4096},"progress":"[==>  ]","id":"aabbccddeeff"}
        {"status":"Download complete","progressDetail":{},"id":"aabbccddeeff"}
        {"status":"Pull complete","progressDetail":{},"id":"aabbccddeeff"}
        {"status":"Digest: sha256:9999999999999999999999999999999999999999999999999999999999999999"}
        {"status":"Status: Downloaded newer image for busybox:latest"}

        """;

    private const string Push =
        """
        {"status":"The push refers to repository [localhost:5000/box]"}
        {"status":"Preparing","progressDetail":{},"id":"aabbccddeeff"}
        {"status":"Pushed","progressDetail":{},"id":"aabbccddeeff"}
        {"status":"v1: digest: sha256:9999 size: 527"}
        {"progressDetail":{},"aux":{"Tag":"v1","Digest":"sha256:9999","Size":527}}

        """;
}
