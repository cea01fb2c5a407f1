using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>What a person types first. Every test runs with our client and with the real docker client.</summary>
[Trait("Tier", "e2e")]
public sealed class RunTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Output_and_errors_come_out_where_they_belong(string client)
    {
        var result = await Run(client, "busybox", "sh", "-c", "echo to-out; echo to-err >&2");
        Assert.Equal((0, "to-out\n", "to-err\n"), (result.ExitCode, result.Output, result.Error));
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task The_exit_code_is_the_containers(string client)
    {
        Assert.Equal(0, (await Run(client, "busybox", "true")).ExitCode);
        Assert.Equal(7, (await Run(client, "busybox", "sh", "-c", "exit 7")).ExitCode);
        // Process 1 ignores signals that it has no handler for, so the one that dies is a child.
        Assert.Equal(137, (await Run(client, "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?")).ExitCode);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_command_that_does_not_exist_is_127_and_leaves_nothing(string client)
    {
        var result = await Run(client, "busybox", "no-such-program");
        Assert.Equal(127, result.ExitCode);
        Assert.Contains("no-such-program", result.Error, StringComparison.Ordinal);
        Assert.Contains("executable file not found in $PATH", result.Error, StringComparison.Ordinal);
        await NothingRemains(client);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_command_that_cannot_be_executed_is_126(string client)
    {
        var result = await Run(client, "busybox", "/etc/passwd");
        Assert.Equal(126, result.ExitCode);
        Assert.Contains("permission denied", result.Error, StringComparison.Ordinal);
        await NothingRemains(client);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_wrong_option_is_125(string client)
    {
        var result = await _engine.Client(client, ["run", "--no-such-option", "busybox"]);
        Assert.Equal(125, result.ExitCode);
        Assert.Contains("unknown flag: --no-such-option", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task An_unknown_image_is_125(string client)
    {
        var result = await Run(client, "--pull=never", "no-such-image:v9", "true");
        Assert.Equal(125, result.ExitCode);
        Assert.Contains("No such image: no-such-image:v9", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_bad_reference_is_refused(string client)
    {
        var result = await Run(client, "Not_A:Reference:At:All", "true");
        Assert.Equal(125, result.ExitCode);
        Assert.Contains("invalid reference format", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Standard_input_goes_in_and_its_end_too(string client)
    {
        var result = await _engine.Client(client, ["run", "-i", "--rm", "busybox", "sh", "-c", "cat; echo end"], "one\ntwo\n"u8.ToArray());
        Assert.Equal("one\ntwo\nend\n", result.Succeeded().Output);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_megabyte_through_cat_comes_back_whole(string client)
    {
        var data = new byte[1 << 20];
        new Random(7).NextBytes(data);
        var sum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(data));
        var result = await _engine.Client(client, ["run", "-i", "--rm", "busybox", "sha256sum"], data);
        Assert.StartsWith(sum, result.Succeeded().Output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Environment_from_options_files_and_the_client(string client)
    {
        using var scratch = new Scratch("env");
        await File.WriteAllTextAsync(scratch["env"], "# comment\nFROM_FILE=a b\n\nEMPTY=\n", TestContext.Current.CancellationToken);
        var result = await Run(client, "-e", "A=1", "-e", "B=x=y", "--env-file", scratch["env"], "busybox", "env");
        var lines = result.Succeeded().Lines;
        Assert.Superset(new HashSet<string> { "A=1", "B=x=y", "FROM_FILE=a b", "EMPTY=", "HOME=/root" }, lines.ToHashSet());
        Assert.Contains(lines, l => l.StartsWith("HOSTNAME=", StringComparison.Ordinal));
        Assert.Contains("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", lines);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task User_group_and_working_directory(string client)
    {
        Assert.Equal("uid=33(www) gid=33(www) groups=33(www),44(extra)", (await Run(client, "-u", "www", "busybox", "id")).Succeeded().Text);
        Assert.Equal("uid=1234 gid=0(root) groups=0(root)", (await Run(client, "-u", "1234", "busybox", "id")).Succeeded().Text);
        Assert.Equal("uid=5 gid=6 groups=6", (await Run(client, "-u", "5:6", "busybox", "id")).Succeeded().Text);
        Assert.Equal("/var/new/dir", (await Run(client, "-w", "/var/new/dir", "busybox", "pwd")).Succeeded().Text);
        var unknown = await Run(client, "-u", "nobody-here", "busybox", "id");
        Assert.NotEqual(0, unknown.ExitCode);
        Assert.Contains("unable to find user nobody-here", unknown.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Entrypoint_hostname_and_label(string client)
    {
        Assert.Equal("x y", (await Run(client, "--entrypoint", "echo", "busybox", "x", "y")).Succeeded().Text);
        Assert.Equal("quay", (await Run(client, "-h", "quay", "busybox", "hostname")).Succeeded().Text);
        var id = (await _engine.Client(client, ["run", "-d", "--label", "tier=web", "--name", $"label-{client}", "busybox", "sleep", "300"])).Succeeded().Text;
        Assert.Equal(64, id.Length);
        Assert.Equal("web", (await _engine.Client(client, ["inspect", "-f", "{{index .Config.Labels \"tier\"}}", id])).Succeeded().Text);
        Assert.Equal(id[..12], (await _engine.Client(client, ["ps", "-q", "--filter", "label=tier=web"])).Succeeded().Text);
        (await _engine.Client(client, ["rm", "-f", id])).Succeeded();
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task The_defaults_are_confined(string client)
    {
        var status = (await Run(client, "busybox", "cat", "/proc/self/status")).Succeeded().Output;
        Assert.Contains("CapEff:\t00000000a80425fb", status, StringComparison.Ordinal);
        Assert.Contains("Seccomp:\t2", status, StringComparison.Ordinal);
        Assert.NotEqual(0, (await Run(client, "busybox", "mount", "-t", "tmpfs", "x", "/tmp")).ExitCode);
        Assert.NotEqual(0, (await Run(client, "busybox", "sh", "-c", "echo 1 >/proc/sys/kernel/panic")).ExitCode);
        Assert.Equal("", (await Run(client, "busybox", "cat", "/proc/keys")).Text);
        Assert.Equal("1", (await Run(client, "busybox", "sh", "-c", "echo $$")).Text);
        Assert.Equal("", (await Run(client, "busybox", "sh", "-c", "ls /proc/self/fd | grep -vE '^[0-3]$'")).Text);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Capabilities_can_be_added_dropped_and_all_given(string client)
    {
        Assert.Equal(0, (await Run(client, "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "busybox", "mount", "-t", "tmpfs", "x", "/tmp")).ExitCode);
        Assert.NotEqual(0, (await Run(client, "--cap-drop", "CHOWN", "busybox", "chown", "1", "/tmp")).ExitCode);
        Assert.Contains("CapEff:\t0000000000000000", (await Run(client, "--cap-drop", "ALL", "busybox", "cat", "/proc/self/status")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await Run(client, "--privileged", "busybox", "sh", "-c", "mount -t tmpfs x /tmp && test -e /dev/kmsg")).ExitCode);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Read_only_roots_refuse_writes(string client)
    {
        var result = await Run(client, "--read-only", "--tmpfs", "/scratch", "busybox", "sh", "-c", "echo x >/scratch/ok && echo x >/file");
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("Read-only file system", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("/scratch", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Memory_and_cpu_limits_are_in_the_cgroup(string client)
    {
        var result = await Run(client, "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "busybox", "sh", "-c",
            "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/pids/pids.max 2>/dev/null"
            + " || cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max");
        Assert.Contains($"{64 << 20}", result.Output, StringComparison.Ordinal);
        Assert.Contains("50000", result.Output, StringComparison.Ordinal);
        Assert.Contains("\n50\n", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Binds_and_volumes_carry_files_both_ways(string client)
    {
        using var scratch = new Scratch("bind");
        await File.WriteAllTextAsync(scratch["in"], "from host", TestContext.Current.CancellationToken);
        (await Run(client, "-v", $"{scratch.Folder}:/work", "busybox", "cp", "/work/in", "/work/out")).Succeeded();
        Assert.Equal("from host", await File.ReadAllTextAsync(scratch["out"], TestContext.Current.CancellationToken));
        var readOnly = await Run(client, "-v", $"{scratch.Folder}:/work:ro", "busybox", "touch", "/work/new");
        Assert.Contains("Read-only file system", readOnly.Error, StringComparison.Ordinal);

        var volume = $"data-{client}";
        (await Run(client, "-v", $"{volume}:/data", "busybox", "sh", "-c", "echo kept >/data/file")).Succeeded();
        Assert.Equal("kept", (await Run(client, "-v", $"{volume}:/data", "busybox", "cat", "/data/file")).Succeeded().Text);
        (await _engine.Docker("volume", "rm", volume)).Succeeded();
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Init_reaps_and_forwards(string client)
    {
        var result = await Run(client, "--init", "busybox", "sh", "-c", "cat /proc/1/comm; (true &) ; sh -c 'sleep 0.05 & exit 0'; exit 3");
        Assert.Equal(3, result.ExitCode);
        Assert.DoesNotContain("sh", result.Lines[0], StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Signals_are_forwarded_to_the_container(string client)
    {
        await using var run = _engine.ClientInBackground(
            client, "run", "--rm", "busybox", "sh", "-c", "trap 'echo caught; exit 9' TERM; echo ready; while true; do sleep 0.1; done");
        await run.Says("ready");
        run.Signal("TERM");
        Assert.Equal(9, await run.Exit());
        await run.Says("caught");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Two_containers_cannot_have_one_name(string client)
    {
        var name = $"only-one-{client}";
        (await _engine.Client(client, ["create", "--name", name, "busybox"])).Succeeded();
        var second = await _engine.Client(client, ["run", "--name", name, "busybox"]);
        Assert.Equal(125, second.ExitCode);
        Assert.Contains($"Conflict. The container name \"/{name}\" is already in use by container", second.Error, StringComparison.Ordinal);
        (await _engine.Client(client, ["rm", name])).Succeeded();
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Restart_policy_starts_a_failed_container_again(string client)
    {
        var id = (await _engine.Client(client, ["run", "-d", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo started; exit 1"])).Succeeded().Text;
        await Eventually.Holds(
            async () => (await _engine.Client(client, ["inspect", "-f", "{{.RestartCount}} {{.State.Status}}", id])).Text == "2 exited",
            "restarted twice, then given up");
        Assert.Equal("started\nstarted\nstarted", (await _engine.Client(client, ["logs", id])).Succeeded().Text);
        (await _engine.Client(client, ["rm", id])).Succeeded();
    }

    private Task<ProcessResult> Run(string client, params string[] arguments) => _engine.Client(client, ["run", "--rm", .. arguments]);

    private async Task NothingRemains(string client) =>
        await Eventually.Holds(async () => (await _engine.Client(client, ["ps", "-aq"])).Succeeded().Text.Length == 0, "no container remains");
}
