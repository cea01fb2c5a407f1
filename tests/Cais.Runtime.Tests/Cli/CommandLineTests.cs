using System.Text.Json;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;
using Cais.Testing;

namespace Cais.Runtime.Tests.Cli;

/// <summary>The published program, as engines call it.</summary>
[Trait("Tier", "integration")]
[Collection(nameof(Alone))]
public sealed class CommandLineTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose()
    {
        Run("delete", "--force", _bundle.Id);
        _bundle.Dispose();
    }

    private sealed record Ended(int Code, string Output, string Error);

    private Ended Run(params string[] args) => Run(PublishedRuntime.Program, ["--root", _bundle.Runtime.StateRoot, .. args]);

    /// <summary>Output goes to files: a container that outlives the command would keep a pipe open.</summary>
    private Ended Run(string program, string[] args)
    {
        var output = Path.Combine(_bundle.Directory, "output");
        var error = Path.Combine(_bundle.Directory, "error");
        using var process = System.Diagnostics.Process.Start(
            "/bin/sh", ["-c", $"exec \"$0\" \"$@\" < /dev/null > {output} 2> {error}", program, .. args]);
        Assert.True(process.WaitForExit(Eventually.Patience(60)), $"{string.Join(' ', args)} does not end");
        return new Ended(process.ExitCode, File.ReadAllText(output), File.ReadAllText(error));
    }

    private void Write(Spec spec) =>
        File.WriteAllBytes(Path.Combine(_bundle.Directory, "config.json"), JsonSerializer.SerializeToUtf8Bytes(spec, SpecJson.Default.Spec));

    [Fact]
    public void Run_passes_output_and_exit_code_and_leaves_nothing()
    {
        Write(_bundle.Spec("sh", "-c", "echo out; echo err >&2; exit 9"));
        Assert.Equal(new Ended(9, "out\n", "err\n"), Run("run", "--bundle", _bundle.Directory, _bundle.Id));
        Assert.Equal("", Run("list", "-q").Output);
    }

    [Fact]
    [Sentence("runtime.md", "scope")]
    [Sentence("runtime.md", "operations")]
    public async Task Create_start_state_kill_delete_work_from_separate_processes()
    {
        Write(_bundle.Spec("sleep", "1000"));
        var pidFile = Path.Combine(_bundle.Directory, "pid");
        Assert.Equal(0, Run("create", "-b", _bundle.Directory, "--pid-file", pidFile, _bundle.Id).Code);
        Assert.Equal("created", State("status"));
        Assert.Equal(File.ReadAllText(pidFile), State("pid"));
        Assert.Equal(0, Run("start", _bundle.Id).Code);
        Assert.Equal("running", State("status"));
        Assert.Contains(_bundle.Id, Run("list").Output, StringComparison.Ordinal);
        Assert.Contains("sleep 1000", Run("ps", _bundle.Id).Output, StringComparison.Ordinal);
        Assert.Equal($"[{State("pid")}]\n", Run("ps", "--format", "json", _bundle.Id).Output);
        Assert.Equal(0, Run("pause", _bundle.Id).Code);
        Assert.Equal("paused", State("status"));
        Assert.Equal(0, Run("resume", _bundle.Id).Code);
        Assert.Equal(0, Run("update", "--pids-limit", "20", _bundle.Id).Code);
        var stats = JsonDocument.Parse(Run("events", "--stats", _bundle.Id).Output).RootElement;
        Assert.Equal(20, stats.GetProperty("data").GetProperty("pids").GetProperty("limit").GetInt32());
        Assert.Equal(0, Run("kill", _bundle.Id, "KILL").Code);
        await Eventually.Holds(() => State("status") == "stopped", "stopped");
        Assert.Equal(0, Run("delete", _bundle.Id).Code);
        Assert.Equal(1, Run("state", _bundle.Id).Code);
    }

    private string State(string property) => JsonDocument.Parse(Run("state", _bundle.Id).Output).RootElement.GetProperty(property).ToString();

    [Fact]
    public void Exec_passes_output_environment_directory_user_and_exit_code()
    {
        Write(_bundle.Spec("sleep", "1000"));
        Run("create", "-b", _bundle.Directory, _bundle.Id);
        Run("start", _bundle.Id);
        Assert.Equal(
            new Ended(5, "b /tmp 1000\n", ""),
            Run("exec", "-e", "A=b", "--cwd", "/tmp", "--user", "1000:1000", _bundle.Id, "sh", "-c", "echo $A $(pwd) $(id -u); exit 5"));
        File.WriteAllBytes(
            Path.Combine(_bundle.Directory, "process.json"), JsonSerializer.SerializeToUtf8Bytes(TestSpec.Process("echo", "from file"), SpecJson.Default.Process));
        Assert.Equal("from file\n", Run("exec", "--process", Path.Combine(_bundle.Directory, "process.json"), _bundle.Id).Output);
        var missing = Run("exec", _bundle.Id, "nonesuch");
        Assert.Equal(255, missing.Code);
        Assert.Contains("executable file not found in $PATH", missing.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_are_logged_as_engines_parse_them()
    {
        Write(_bundle.Spec("nonesuch"));
        var log = Path.Combine(_bundle.Directory, "log.json");
        var ended = Run("--log", log, "--log-format", "json", "create", "-b", _bundle.Directory, _bundle.Id);
        Assert.Equal(1, ended.Code);
        var line = JsonDocument.Parse(File.ReadAllLines(log)[^1]).RootElement;
        Assert.Equal("error", line.GetProperty("level").GetString());
        Assert.Equal(
            "cais-runtime create failed: unable to start container process: exec: \"nonesuch\": executable file not found in $PATH",
            line.GetProperty("msg").GetString());
        Assert.True(DateTimeOffset.TryParse(line.GetProperty("time").GetString(), System.Globalization.CultureInfo.InvariantCulture, out _));
        Assert.Contains("executable file not found", ended.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("--version")]
    [InlineData("features")]
    public void Information_is_printed(string argument) => Assert.Equal(0, Run(argument).Code);

    [Theory]
    [InlineData("nonesuch")]
    [InlineData("create")]
    [InlineData("--nonesuch")]
    [InlineData("start", "--nonesuch", "x")]
    public void Wrong_usage_is_told(params string[] arguments)
    {
        var ended = Run(arguments);
        Assert.Equal(1, ended.Code);
        Assert.Contains("Incorrect Usage", ended.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("state")]
    [InlineData("create")]
    [InlineData("start")]
    [InlineData("kill")]
    [InlineData("delete")]
    [Sentence("runtime.md", "query-id")]
    [Sentence("runtime.md", "create-arguments")]
    [Sentence("runtime.md", "start-id")]
    [Sentence("runtime.md", "kill-id")]
    [Sentence("runtime.md", "delete-id")]
    public void Operations_want_to_know_which_container(string command)
    {
        var ended = Run(command);
        Assert.Equal(1, ended.Code);
        Assert.Contains(command == "kill" ? "requires a minimum of 1 argument" : "requires exactly 1 argument", ended.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("state")]
    [InlineData("start")]
    [InlineData("kill")]
    [InlineData("delete")]
    [Sentence("runtime.md", "query-unknown")]
    [Sentence("runtime.md", "start-not-created")]
    [Sentence("runtime.md", "delete-not-stopped")]
    public void Operations_on_a_container_that_is_not_there_fail(string command)
    {
        var ended = Run(command, "nonesuch");
        Assert.Equal(1, ended.Code);
        Assert.Contains("does not exist", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Spec_writes_a_configuration_that_runs()
    {
        Assert.Equal(0, Run("spec", "-b", _bundle.Directory).Code);
        var spec = SpecReader.ReadSpec(File.ReadAllBytes(Path.Combine(_bundle.Directory, "config.json")));
        Write(spec.With(process => process with { Terminal = false, Args = ["echo", "hello"] }));
        Assert.Equal("hello\n", Run("run", "-b", _bundle.Directory, _bundle.Id).Output);
        Assert.Equal(1, Run("spec", "-b", _bundle.Directory).Code);
    }

    [Fact]
    public void Plan_prints_and_makes_nothing()
    {
        Write(_bundle.Spec("true"));
        var ended = Run("plan", "-b", _bundle.Directory, _bundle.Id);
        Assert.Equal(0, ended.Code);
        Assert.Contains("clone3(", ended.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/cais-rt-tests/{_bundle.Id}"));
    }

    [Fact]
    public void A_terminal_that_nobody_would_hold_is_refused()
    {
        Write(_bundle.Spec("true").With(process => process with { Terminal = true }));
        Assert.Contains("console socket", Run("create", "-b", _bundle.Directory, _bundle.Id).Error, StringComparison.Ordinal);
    }

    /// <summary>An image that attacks brings what the program needs to run.</summary>
    private void CopyLibraries(string program)
    {
        var list = Path.Combine(_bundle.Directory, "libraries");
        using var ldd = System.Diagnostics.Process.Start("/bin/sh", ["-c", $"ldd {program} | grep -o '/[^ ]*' > {list}"]);
        Assert.True(ldd.WaitForExit(Eventually.Patience(10)));
        foreach (var library in File.ReadAllLines(list))
        {
            var target = _bundle.Rootfs + library;
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(library, target, overwrite: true);
        }
    }

    /// <summary>
    /// A process in the container keeps the runtime's file open and writes to it as soon as it is not running any more. A copy of the
    /// program is at stake here, not the one that all tests use.
    /// </summary>
    [Fact]
    public async Task CVE_2019_5736_the_runtimes_own_file_cannot_be_overwritten()
    {
        var program = Path.Combine(_bundle.Directory, "runtime");

        // By another process: a descriptor that is open for writing here would travel into what other tests fork meanwhile, and such a file cannot be executed.
        using (var copy = System.Diagnostics.Process.Start("cp", [PublishedRuntime.Program, program]))
        {
            copy.WaitForExit();
        }

        CopyLibraries(program);
        var before = File.ReadAllBytes(program);

        // The process may be hidden, or another program still, at any of these steps: then the attacker tries again. Only `command` keeps a
        // shell alive whose exec fails.
        var script = """
            while true; do
              for p in /proc/[0-9]*; do
                grep -q '/fif[o]' $p/cmdline 2>/dev/null && command exec 5< $p/exe && echo caught > /caught && break 2
              done
            done 2> /dev/null
            while [ ! -e /ended ]; do true; done
            (echo overwritten > /proc/self/fd/5) 2> /result
            echo over >> /result
            sleep 1000
            """;
        Write(_bundle.Spec("sh", "-c", script).With(process => process with { Capabilities = process.Capabilities }));
        Assert.Equal(0, Run(program, ["--root", _bundle.Runtime.StateRoot, "run", "-d", "-b", _bundle.Directory, _bundle.Id]).Code);
        Cais.Linux.Files.MakeFifo(Path.Combine(_bundle.Rootfs, "fifo"), 0x1b6);

        // The container's "program" is the runtime itself, waiting for a configuration that does not come.
        using (var exec = System.Diagnostics.Process.Start(program, ["--root", _bundle.Runtime.StateRoot, "exec", _bundle.Id, "/proc/self/exe", "plan", "--config", "/fifo"]))
        {
            await Eventually.Holds(() => File.Exists(Path.Combine(_bundle.Rootfs, "caught")), "the container has the runtime's file open");
            File.WriteAllText(Path.Combine(_bundle.Rootfs, "fifo"), "{}");
            Assert.True(exec.WaitForExit(Eventually.Patience(60)), "exec does not end");
        }

        File.WriteAllText(Path.Combine(_bundle.Rootfs, "ended"), "");
        await Eventually.Holds(
            () => File.Exists(Path.Combine(_bundle.Rootfs, "result")) && File.ReadAllText(Path.Combine(_bundle.Rootfs, "result")).EndsWith("over\n", StringComparison.Ordinal),
            "the container has tried");
        Assert.Contains("Read-only file system", File.ReadAllText(Path.Combine(_bundle.Rootfs, "result")), StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(program));
    }
}
