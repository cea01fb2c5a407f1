using System.Globalization;
using System.Text.Json;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;
using Cais.Testing;

namespace Cais.Runtime.Tests.Cli;

/// <summary>
/// What a script or an engine that names runc or crun says, our program understands. The table is made from the help texts of runc 1.1
/// and 1.3 and of crun 1.8 and 1.28.
/// </summary>
[Trait("Tier", "integration")]
[Collection(nameof(Alone))]
public sealed class CompatibilityTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose()
    {
        Run("delete", "--force", _bundle.Id);
        _bundle.Dispose();
    }

    /// <summary>One row a command: its options as <c>name short kind</c>.</summary>
    public static TheoryData<string, string, string> Table()
    {
        var data = new TheoryData<string, string, string>();
        var rows = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Cli", "runtime-options.tsv")).Select(line => line.Split('\t'));
        foreach (var command in rows.GroupBy(row => (row[0], row[1])))
        {
            data.Add(command.Key.Item1, command.Key.Item2, string.Join(';', command.Select(row => $"{row[2]} {row[3]} {row[4]}")));
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Table))]
    public void Every_option_of_runc_and_crun_is_understood(string program, string command, string options)
    {
        foreach (var option in options.Split(';').Select(text => text.Split(' ')))
        {
            var value = option[0] switch
            {
                "log-format" => "json",
                "log-level" => "debug",
                "rootless" => "auto",
                "cgroup-manager" => "cgroupfs",
                _ => "1",
            };
            var forms = new List<string[]>();
            foreach (var name in (string[])[$"--{option[0]}", .. option[1] == "-" ? Array.Empty<string>() : [$"-{option[1]}"]])
            {
                forms.Add(option[2] == "flag" ? [name] : [name, value]);
                if (option[2] == "value" && name.StartsWith("--", StringComparison.Ordinal))
                {
                    forms.Add([$"{name}={value}"]);
                    forms.Add([$"{name[1..]}={value}"]);
                }
            }

            foreach (var form in forms)
            {
                var ended = RuntimeProgram.Run(command == "-" ? [.. form, "--help"] : [command, .. form, "--help"]);
                Assert.True(ended.Code == 0, $"{program} {command} {string.Join(' ', form)}: {ended.Code}: {ended.Error}");
            }
        }
    }

    [Theory]
    [InlineData("1.0.0")]
    [InlineData("1.0.2-dev")]
    [InlineData("1.1.0+something")]
    [InlineData("1.9.7")]
    public void Any_version_1_of_the_specification_is_accepted(string version)
    {
        Write(_bundle.Spec("true") with { OciVersion = version });
        var ended = Run("run", "-b", _bundle.Directory, _bundle.Id);
        Assert.True(ended.Code == 0, ended.Error);
    }

    [Theory]
    [InlineData("2.0.0")]
    [InlineData("0.9")]
    public void Another_version_is_refused_by_name(string version)
    {
        Write(_bundle.Spec("true") with { OciVersion = version });
        var ended = Run("run", "-b", _bundle.Directory, _bundle.Id);
        Assert.Equal(1, ended.Code);
        Assert.Contains(version, ended.Error, StringComparison.Ordinal);
    }

    /// <summary>As containerd's go-runc, which reads the log's last error, and as conmon, which reads standard error.</summary>
    [Fact]
    public async Task Errors_have_the_words_that_engines_look_for()
    {
        Assert.Contains("does not exist", Run("state", "nobody").Error, StringComparison.Ordinal);
        Assert.Equal(1, Run("state", "nobody").Code);
        Assert.Equal(0, Run("delete", "--force", "nobody").Code);
        Assert.Contains("does not exist", Run("kill", "nobody", "9").Error, StringComparison.Ordinal);
        Start("true");
        await Eventually.Holds(() => State("status") == "stopped", "stopped");
        Assert.Contains("container not running", Run("kill", _bundle.Id, "TERM").Error, StringComparison.Ordinal);
        Assert.Contains("cannot exec in a stopped container", Run("exec", _bundle.Id, "true").Error, StringComparison.Ordinal);
        Assert.Equal(255, Run("exec", _bundle.Id, "true").Code);
        Assert.Contains("exists", Run("create", "-b", _bundle.Directory, _bundle.Id).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Go_runcs_whole_command_lines_work()
    {
        Write(_bundle.Spec("sh", "-c", "sleep 1000"));
        var log = Path.Combine(_bundle.Directory, "log.json");
        string[] global = ["--log", log, "--log-format", "json"];
        var pidFile = Path.Combine(_bundle.Directory, "init.pid");
        Assert.Equal(0, Run([.. global, "create", "--bundle", _bundle.Directory, "--pid-file", pidFile, "--no-new-keyring", "--preserve-fds", "0", _bundle.Id]).Code);
        Assert.Equal(0, Run([.. global, "start", _bundle.Id]).Code);
        var process = Path.Combine(_bundle.Directory, "process.json");
        File.WriteAllBytes(process, JsonSerializer.SerializeToUtf8Bytes(TestSpec.Process("sh", "-c", "exit 4"), SpecJson.Default.Process));
        Assert.Equal(0, Run([.. global, "exec", "--process", process, "--detach", "--pid-file", Path.Combine(_bundle.Directory, "exec.pid"), _bundle.Id]).Code);
        Assert.Equal(4, Run([.. global, "exec", "--process", process, _bundle.Id]).Code);
        Assert.StartsWith("[", Run([.. global, "ps", "--format", "json", _bundle.Id]).Output, StringComparison.Ordinal);
        Assert.Contains(_bundle.Id, Run([.. global, "list", "--format=json"]).Output, StringComparison.Ordinal);
        var resources = Path.Combine(_bundle.Directory, "resources.json");
        File.WriteAllText(resources, """{ "pids": { "limit": 33 } }""");
        Assert.Equal(0, Run([.. global, "update", "--resources", resources, _bundle.Id]).Code);
        Assert.Equal(0, Run([.. global, "kill", "--all", _bundle.Id, "9"]).Code);
        Assert.Equal(0, Run([.. global, "delete", "--force", _bundle.Id]).Code);
        Assert.All(File.Exists(log) ? File.ReadAllLines(log) : [], line => JsonDocument.Parse(line).RootElement.GetProperty("level"));
    }

    /// <summary>As conmon, podman and buildah write them: the id comes last, behind whatever the container's kind adds.</summary>
    [Fact]
    public void Conmons_whole_command_lines_work()
    {
        Write(_bundle.Spec("sleep", "1000"));
        string[] global = ["--log-format=json", "--log", Path.Combine(_bundle.Directory, "oci-log"), "--cgroup-manager=cgroupfs"];
        var pidFile = Path.Combine(_bundle.Directory, "pidfile");
        Assert.Equal(0, Run([.. global, "create", "--bundle", _bundle.Directory, "--pid-file", pidFile, "--no-pivot", "--no-new-keyring", "--preserve-fds", "0", _bundle.Id]).Code);
        Assert.Equal(State("pid"), File.ReadAllText(pidFile));
        Assert.Equal(0, Run([.. global, "start", _bundle.Id]).Code);
        var process = Path.Combine(_bundle.Directory, "exec-process-1");
        File.WriteAllBytes(process, JsonSerializer.SerializeToUtf8Bytes(TestSpec.Process("sleep", "1000"), SpecJson.Default.Process));
        var execPid = Path.Combine(_bundle.Directory, "exec_pid");
        Assert.Equal(0, Run([.. global, "exec", "--pid-file", execPid, "--process", process, "--detach", "--preserve-fds", "0", _bundle.Id]).Code);
        Assert.True(Directory.Exists($"/proc/{File.ReadAllText(execPid)}"));
        var resources = Path.Combine(_bundle.Directory, "resources");
        File.WriteAllText(resources, """{ "pids": { "limit": 44 } }""");
        Assert.Equal(0, Run([.. global, "update", $"--resources={resources}", _bundle.Id]).Code);
        Assert.Equal(0, Run([.. global, "kill", "--all", _bundle.Id, "9"]).Code);
        Assert.Equal(0, Run([.. global, "delete", "--force", _bundle.Id]).Code);
    }

    [Theory]
    [InlineData("-v")]
    [InlineData("-V")]
    [InlineData("--version")]
    public void The_version_has_the_three_lines_that_engines_read(string option)
    {
        var lines = Run(option).Output.TrimEnd().Split('\n');
        Assert.Equal(["cais-runtime version", "commit:", "spec:"], lines.Take(3).Select(line => line[..line.LastIndexOf(' ')]));
    }

    [Fact]
    public void List_and_ps_print_runcs_tables()
    {
        Start("sleep", "1000");
        var lines = Run("list").Output.Split('\n');
        Assert.Matches("^ID +PID +STATUS +BUNDLE +CREATED +OWNER$", lines[0]);
        Assert.Matches($"^{_bundle.Id} +[1-9][0-9]* +running +{_bundle.Directory} ", lines[1]);
        Assert.Equal(lines[0].IndexOf("STATUS", StringComparison.Ordinal), lines[1].IndexOf("running", StringComparison.Ordinal));
        Assert.Equal(_bundle.Id + "\n", Run("list", "-q").Output);
        Assert.Equal(1, Run("list", "--format", "xml").Code);
        Assert.Matches("^UID +PID +PPID +C +STIME", Run("ps", _bundle.Id).Output);
        Assert.Equal($"    PID COMMAND\n {State("pid"),6} sleep\n", Run("ps", _bundle.Id, "-o", "pid,comm", "-e").Output);
    }

    [Theory]
    [InlineData("250ms", 0)]
    [InlineData("1m30s", 0)]
    [InlineData("0s", 1)]
    [InlineData("five", 1)]
    public void Events_take_gos_durations(string interval, int code)
    {
        Start("sleep", "1000");
        using var events = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
            RuntimeProgram.Path, ["--root", _bundle.Runtime.StateRoot, "events", "--interval", interval, _bundle.Id])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        if (code == 0)
        {
            var first = JsonDocument.Parse(events.StandardOutput.ReadLine()!).RootElement;
            Assert.Equal("stats", first.GetProperty("type").GetString());
            Assert.Equal(_bundle.Id, first.GetProperty("id").GetString());
            events.Kill();
        }

        Assert.True(events.WaitForExit(Eventually.Patience(30)));
        Assert.True(code == 0 || events.ExitCode == code);
    }

    [Fact]
    public void The_log_level_decides_what_is_logged()
    {
        var log = Path.Combine(_bundle.Directory, "log");
        Run("--log", $"file:{log}", "--log-format", "json", "--debug", "list");
        Assert.Contains("\"level\":\"debug\"", File.ReadAllText(log), StringComparison.Ordinal);
        Assert.Contains("Incorrect Usage", Run("--log-level", "loud", "list").Error, StringComparison.Ordinal);
        Assert.Contains("Incorrect Usage", Run("--log-format", "xml", "list").Error, StringComparison.Ordinal);
        Assert.Contains("Incorrect Usage", Run("--rootless", "perhaps", "list").Error, StringComparison.Ordinal);
        Assert.Contains("Incorrect Usage", Run("--cgroup-manager", "nobody", "list").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_go_to_the_journal_when_asked()
    {
        Assert.SkipWhen(Directory.Exists("/run/systemd"), "this machine has a journal of its own: run the suite below tests/isolate.sh");
        Directory.CreateDirectory("/run/systemd/journal");
        try
        {
            using var journal = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, 0);
            journal.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint("/run/systemd/journal/socket"));
            Assert.Equal(1, Run("--log", "journald:mine", "state", "nobody").Code);
            var buffer = new byte[4096];
            var text = System.Text.Encoding.UTF8.GetString(buffer, 0, journal.Receive(buffer));
            Assert.Equal("MESSAGE=container \"nobody\" does not exist\nPRIORITY=3\nSYSLOG_IDENTIFIER=mine\n", text);
        }
        finally
        {
            Directory.Delete("/run/systemd", recursive: true);
        }
    }

    [Fact]
    public void A_descriptor_of_the_first_process_is_handed_over()
    {
        var path = Path.Combine(_bundle.Directory, "pidfd.sock");
        using var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        listener.Listen();
        Write(_bundle.Spec("sleep", "1000"));
        Assert.Equal(0, Run("run", "-d", "-b", _bundle.Directory, "--pidfd-socket", path, _bundle.Id).Code);
        using var connection = listener.Accept();
        var buffer = new byte[16];
        using var socket = new FileDescriptor((int)connection.Handle, ownsHandle: false);
        Assert.Equal(5, MessageSocket.Receive(socket, buffer, out var passed));
        using (passed)
        {
            Assert.NotNull(passed);
            Assert.False(Pidfd.WaitForEnd(passed, 0));
            Assert.Contains(
                $"Pid:\t{State("pid")}\n", File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{passed.Number}")), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_schema_for_Intel_RDT_is_refused_where_there_is_none()
    {
        Start("sleep", "1000");
        Assert.Contains("Intel RDT", Run("update", "--l3-cache-schema", "L3:0=f", _bundle.Id).Error, StringComparison.Ordinal);
        Assert.Equal(0, Run("update", "--pids-limit", "40", _bundle.Id).Code);
    }

    [Fact]
    public void Run_keeps_the_container_when_asked()
    {
        Write(_bundle.Spec("sh", "-c", "exit 3"));
        Assert.Equal(3, Run("run", "--keep", "-b", _bundle.Directory, _bundle.Id).Code);
        Assert.Equal("stopped", State("status"));
        Assert.Equal(0, Run("delete", _bundle.Id).Code);
    }

    /// <summary>As podman with <c>--cgroups=disabled</c>.</summary>
    [Fact]
    public void Without_a_cgroup_manager_the_container_stays_where_its_parent_is()
    {
        Write(_bundle.Spec("cat", "/proc/self/cgroup").With(linux => linux with { Resources = null, Namespaces = [.. linux.Namespaces!.Where(space => space.Type != "cgroup")] }));
        Assert.Equal(File.ReadAllText("/proc/self/cgroup"), Run("--cgroup-manager", "disabled", "run", "-b", _bundle.Directory, _bundle.Id).Output);
        Write(_bundle.Spec("true").With(linux => linux with { Resources = new LinuxResources { Pids = new PidsResources { Limit = 5 } } }));
        Assert.Contains("no cgroup", Run("--cgroup-manager=disabled", "run", "-b", _bundle.Directory, _bundle.Id).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Descriptors_are_preserved()
    {
        Write(_bundle.Spec("sh", "-c", "cat <&3"));
        var output = Path.Combine(_bundle.Directory, "out");
        using var shell = System.Diagnostics.Process.Start(
            "/bin/bash", ["-c", $"echo from outside > {output}.in; exec {RuntimeProgram.Path} --root {_bundle.Runtime.StateRoot} run --preserve-fds 1 -b {_bundle.Directory} {_bundle.Id} 3< {output}.in > {output}"]);
        Assert.True(shell.WaitForExit(Eventually.Patience(60)));
        Assert.Equal("from outside\n", File.ReadAllText(output));
    }

    [Fact]
    public void Spec_writes_where_and_what_it_is_told()
    {
        Assert.Equal(0, Run("spec", "--bundle", _bundle.Directory, "--rootless", "--file", "mine.json").Code);
        var spec = SpecReader.ReadSpec(File.ReadAllBytes(Path.Combine(_bundle.Directory, "mine.json")));
        Assert.Contains(spec.Linux!.Namespaces!, space => space.Type == "user");
    }

    [Fact]
    public async Task Signals_have_names_and_numbers()
    {
        Start("sh", "-c", "trap 'echo got > /got; exit 0' USR1; while true; do sleep 0.05; done");
        Assert.Equal(1, Run("kill", _bundle.Id, "NONESUCH").Code);
        Assert.Equal(0, Run("kill", _bundle.Id, "0").Code);
        await Eventually.Holds(
            () =>
            {
                Run("kill", _bundle.Id, "SIGUSR1");
                return File.Exists(Path.Combine(_bundle.Rootfs, "got"));
            },
            "the signal arrives");
    }

    private string State(string property) => JsonDocument.Parse(Run("state", _bundle.Id).Output).RootElement.GetProperty(property).ToString();

    private void Start(params string[] command)
    {
        Write(_bundle.Spec(command));
        var ended = Run("run", "-d", "-b", _bundle.Directory, _bundle.Id);
        Assert.True(ended.Code == 0, ended.Error);
    }

    private void Write(Spec spec) =>
        File.WriteAllBytes(Path.Combine(_bundle.Directory, "config.json"), JsonSerializer.SerializeToUtf8Bytes(spec, SpecJson.Default.Spec));

    private Ended Run(params string[] args) => RuntimeProgram.Run(["--root", _bundle.Runtime.StateRoot, .. args]);
}
