using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>What containers may ask of their host, seen from inside.</summary>
[Trait("Tier", "e2e")]
public sealed class HostConfigTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string, string> Seen => new()
    {
        { "--ulimit nofile=77:99 busybox sh -c 'ulimit -Sn; ulimit -Hn'", "77\n99" },
        { "--sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward", "1" },
        { "--shm-size 5m busybox sh -c 'df -k /dev/shm | tail -1 | tr -s \" \" | cut -d\" \" -f2'", "5120" },
        { "--hostname quay --domainname example.net busybox sh -c 'hostname; cat /proc/sys/kernel/domainname; echo $HOSTNAME'", "quay\nexample.net\nquay" },
        { "--hostname quay.example.net busybox sh -c 'grep -c \"[[:space:]]quay.example.net quay$\" /etc/hosts'", "1" },
        { "--read-only busybox sh -c 'for f in hosts hostname resolv.conf; do touch /etc/$f 2>/dev/null || echo $f; done'", "hosts\nhostname\nresolv.conf" },
        { "--add-host there:192.0.2.7 busybox sh -c 'grep there /etc/hosts | tr \"\\t\" \" \"'", "192.0.2.7 there" },
        { "--dns 192.0.2.53 --dns-search example.org --dns-option ndots:3 busybox sh -c 'grep -E \"^(search|options)\" /etc/resolv.conf'", "search example.org\noptions ndots:3" },
        { "--cap-drop all --cap-add chown busybox sh -c 'grep CapEff /proc/self/status | cut -f2'", "0000000000000001" },
        { "--security-opt no-new-privileges busybox sh -c 'grep NoNewPrivs /proc/self/status | cut -f2'", "1" },
        { "--security-opt seccomp=unconfined busybox sh -c 'grep Seccomp: /proc/self/status | cut -f2'", "0" },
        { "--group-add 77 --user 5:6 busybox id -G", "6 77" },
        { "--read-only --tmpfs /scratch:size=1m,mode=700 busybox sh -c 'touch /x 2>/dev/null || echo read-only; touch /scratch/x && stat -c %a /scratch'", "read-only\n700" },
        { "--init busybox sh -c 'cat /proc/1/comm'", "docker-init" },
        { "--pid host busybox sh -c 'test $$ -ne 1 && echo host'", "host" },
        { "--network none busybox sh -c 'ls /sys/class/net'", "lo" },
        { "--oom-score-adj 500 busybox cat /proc/self/oom_score_adj", "500" },
        { "--device /dev/zero:/dev/null0:r busybox sh -c 'head -c 1 /dev/null0 | od -An -tx1'", "00" },
        { "--env A=1 --env B busybox sh -c 'echo $A'", "1" },
        { "--workdir /made/here busybox pwd", "/made/here" },
    };

    [Theory]
    [MemberData(nameof(Seen))]
    public async Task The_container_sees_what_was_asked_for(string arguments, string expected)
    {
        var result = await Command.Run("sh", ["-c", _engine.CommandLine("docker", $"run --rm {arguments}")]);
        Assert.Equal((0, expected.Trim()), (result.ExitCode, string.Join('\n', result.Lines.Select(l => l.Trim()))));
    }

    [Fact]
    public async Task Shared_memory_is_shared_where_both_want_it()
    {
        (await _engine.Docker("run", "-d", "--name", "donor", "--ipc", "shareable", "busybox", "sleep", "300")).Succeeded();
        (await _engine.Docker("run", "--rm", "--ipc", "container:donor", "busybox", "sh", "-c", "echo hello >/dev/shm/file")).Succeeded();
        Assert.Equal("hello", (await _engine.Docker("exec", "donor", "cat", "/dev/shm/file")).Succeeded().Text);
        (await _engine.Docker("run", "-d", "--name", "private", "busybox", "sleep", "300")).Succeeded();
        Assert.Contains("non-shareable IPC", (await _engine.Docker("run", "--rm", "--ipc", "container:private", "busybox", "true")).Error, StringComparison.Ordinal);
        (await _engine.Docker("rm", "-f", "donor", "private")).Succeeded();
    }

    [Fact]
    public async Task A_container_in_anothers_network_has_its_name()
    {
        (await _engine.Docker("run", "-d", "--name", "first", "--hostname", "lighthouse", "busybox", "sleep", "300")).Succeeded();
        Assert.Equal("lighthouse lighthouse", (await _engine.Docker("run", "--rm", "--network", "container:first", "busybox", "sh", "-c", "echo $(hostname) $HOSTNAME")).Succeeded().Text);
        (await _engine.Docker("rm", "-f", "first")).Succeeded();
    }

    [Fact]
    public async Task An_image_is_mounted_whole_or_in_part_and_stays_while_it_is()
    {
        using var scratch = new Scratch("image-mount");
        (await Command.Run("sh", ["-ec", $"mkdir -p {scratch["root"]}/share/deep && echo inside >{scratch["root"]}/share/deep/file && tar -C {scratch["root"]} -cf {scratch["tar"]} ."])).Succeeded();
        (await _engine.Docker("import", scratch["tar"], "tool:1")).Succeeded();
        Assert.Equal("inside", (await _engine.Docker("run", "--rm", "--mount", "type=image,src=tool:1,dst=/t", "busybox", "cat", "/t/share/deep/file")).Succeeded().Text);
        Assert.NotEqual(0, (await _engine.Docker("run", "--rm", "--mount", "type=image,src=tool:1,dst=/t", "busybox", "touch", "/t/new")).ExitCode);
        var id = (await _engine.Docker("create", "--mount", "type=image,src=tool:1,dst=/t,image-subpath=share/deep", "busybox", "cat", "/t/file")).Succeeded().Text;
        (await _engine.Docker("rmi", "-f", "tool:1")).Succeeded();
        Assert.Equal("inside", (await _engine.Docker("start", "-a", id)).Succeeded().Text);
        (await _engine.Docker("rm", id)).Succeeded();
    }

    [Fact]
    public async Task A_subpath_of_a_volume_does_not_lead_out_of_it()
    {
        (await _engine.Docker("run", "--rm", "-v", "subvol:/v", "busybox", "sh", "-c", "mkdir -p /v/a/b; echo deep >/v/a/b/f; ln -s /etc /v/out")).Succeeded();
        Assert.Equal("deep", (await _engine.Docker("run", "--rm", "--mount", "type=volume,src=subvol,dst=/s,volume-subpath=a/b", "busybox", "cat", "/s/f")).Succeeded().Text);
        var escape = await _engine.Docker("run", "--rm", "--mount", "type=volume,src=subvol,dst=/s,volume-subpath=out", "busybox", "ls", "/s");
        Assert.NotEqual(0, escape.ExitCode);
        Assert.Contains("leads out of the volume", escape.Error, StringComparison.Ordinal);
        (await _engine.Docker("volume", "rm", "subvol")).Succeeded();
    }

    [Fact]
    public async Task A_running_containers_limits_change()
    {
        (await _engine.Docker("run", "-d", "--name", "limited", "--memory", "64m", "busybox", "sleep", "300")).Succeeded();
        (await _engine.Docker("update", "--memory", "96m", "--memory-swap", "-1", "--cpus", "0.5", "--pids-limit", "33", "--restart", "on-failure:4", "limited")).Succeeded();
        Assert.Equal(
            "100663296 500000000 33 on-failure 4",
            (await _engine.Docker("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}", "limited")).Succeeded().Text);
        var seen = (await _engine.Docker("exec", "limited", "sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max")).Succeeded();
        Assert.Equal(["100663296", "33"], seen.Lines);
        (await _engine.Docker("rm", "-f", "limited")).Succeeded();
    }

    [Fact]
    public async Task Who_is_killed_for_want_of_memory_says_so()
    {
        var result = await _engine.Docker("run", "--name", "hungry", "--memory", "8m", "--memory-swap", "8m", "busybox", "sh", "-c", "x=a; while true; do x=$x$x; done");
        Assert.Equal(137, result.ExitCode);
        Assert.Equal("true 137", (await _engine.Docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "hungry")).Succeeded().Text);
        (await _engine.Docker("rm", "hungry")).Succeeded();
    }

    [Fact]
    public async Task A_container_without_network_has_loopback_alone()
    {
        using var socket = new System.Net.Http.SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var connection = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
                await connection.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(_engine.Socket), cancellation);
                return new System.Net.Sockets.NetworkStream(connection, ownsSocket: true);
            },
        };
        using var client = new HttpClient(socket) { BaseAddress = new Uri("http://docker") };
        using var body = new StringContent("""{"Image":"busybox","Cmd":["ls","/sys/class/net"],"NetworkDisabled":true}""", System.Text.Encoding.UTF8, "application/json");
        using var created = await client.PostAsync(new Uri("/containers/create?name=unconnected", UriKind.Relative), body, TestContext.Current.CancellationToken);
        Assert.Equal(System.Net.HttpStatusCode.Created, created.StatusCode);
        Assert.Equal("lo", (await _engine.Docker("start", "-a", "unconnected")).Succeeded().Text);
        (await _engine.Docker("rm", "unconnected")).Succeeded();
    }

    [Fact]
    public async Task Running_out_of_memory_is_told_at_once_of_a_container_that_goes_on()
    {
        var engine = _engine;
        (await engine.Docker("run", "-d", "--name", "survivor", "-m", "8m", "--memory-swap", "8m", "busybox", "sh", "-c", "tail /dev/zero; echo survived; exec sleep 300")).Succeeded();
        await Eventually.Holds(async () => (await engine.Docker("logs", "survivor")).Text == "survived", "one process was killed, the other goes on");
        await Eventually.Holds(
            async () => (await engine.Docker("events", "--since", "10m", "--until", "0s", "--filter", "container=survivor", "--filter", "event=oom", "--format", "{{.Action}}")).Text == "oom",
            "an event tells it");
        await Eventually.Holds(async () => (await engine.Docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.Status}}", "survivor")).Text == "true running", "the state tells it");
        (await engine.Docker("rm", "-f", "survivor")).Succeeded();
        Assert.Equal("oom", (await engine.Docker("events", "--since", "10m", "--until", "0s", "--filter", "container=survivor", "--filter", "event=oom", "--format", "{{.Action}}")).Text);
    }

    [Fact]
    public async Task Another_runtime_and_another_shim_run_containers_too()
    {
        Assert.Equal("by path", (await _engine.Docker("run", "--rm", "--runtime", Path.Combine(Programs.Directory, "containerd-shim-cais-v2"), "busybox", "echo", "by path")).Succeeded().Text);
        Assert.Equal("runtime", (await _engine.Docker("run", "--rm", "--runtime", Path.Combine(Programs.Directory, "cais-runtime"), "busybox", "echo", "runtime")).Succeeded().Text);
        if (File.Exists("/usr/bin/containerd-shim-runc-v2") && File.Exists("/usr/sbin/runc"))
        {
            Assert.Equal("go", (await _engine.Docker("run", "--rm", "--runtime", "io.containerd.runc.v2", "busybox", "echo", "go")).Succeeded().Text);
            if (Directory.Exists("/run/containerd"))
            {
                Directory.Delete("/run/containerd", recursive: true);
            }
        }

        Assert.Contains("unknown or invalid runtime name: io.containerd.nosuch.v1", (await _engine.Docker("run", "--rm", "--runtime", "io.containerd.nosuch.v1", "busybox", "true")).Error, StringComparison.Ordinal);
    }
}
