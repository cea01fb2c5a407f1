using System.Text.Json;

namespace Cais.EndToEnd.Tests;

/// <summary>
/// Runtimes of others: which program is called, and how. Kata's shim, gVisor's runsc and Nabla's runnc are played by scripts that note their
/// arguments and let our own programs do the work (docs/runtimes.md).
/// </summary>
[Trait("Tier", "e2e")]
public sealed class OtherRuntimesTests : IAsyncLifetime
{
    private readonly Scratch _scratch = new("runtimes");
    private Engine _engine = null!;

    private string Calls => File.Exists(_scratch["calls"]) ? File.ReadAllText(_scratch["calls"]) : "";

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(_scratch["bin"]);
        Play("containerd-shim-kata-v2", "containerd-shim-cais-v2", 0);
        Play("runsc", "cais-runtime", 2);
        Play("runnc", "cais-runtime", 0);
        await File.WriteAllTextAsync(_scratch["daemon.json"], JsonSerializer.Serialize(new
        {
            runtimes = new Dictionary<string, object>
            {
                ["kata"] = new { runtimeType = "io.containerd.kata.v2", options = new { ConfigPath = "/etc/kata-containers/configuration.toml" } },
                ["kata-here"] = new { runtimeType = _scratch["bin/containerd-shim-kata-v2"] },
                ["gvisor"] = new { path = _scratch["bin/runsc"], runtimeArgs = (string[])["--platform=systrap", "--debug-log=/tmp/it's mine/"] },
                ["nabla"] = new { path = _scratch["bin/runnc"] },
            },
        }));
        _engine = await Engine.StartWith(
            new Dictionary<string, string?> { ["PATH"] = $"{_scratch["bin"]}:{Environment.GetEnvironmentVariable("PATH")}" }, "--config-file", _scratch["daemon.json"]);
        await Busybox.Import(_engine);
    }

    public async ValueTask DisposeAsync()
    {
        await _engine.DisposeAsync();
        _scratch.Dispose();

        // Where a shim that is told nothing keeps its state and its socket.
        foreach (var left in (string[])["/run/cais", "/run/containerd"])
        {
            if (Directory.Exists(left))
            {
                Directory.Delete(left, recursive: true);
            }
        }
    }

    [Theory]
    [InlineData("io.containerd.kata.v2")]
    [InlineData("kata")]
    [InlineData("kata-here")]
    public async Task A_shim_is_found_by_its_type_and_told_what_containerd_tells_it(string runtime)
    {
        Assert.Equal("by shim", (await _engine.Docker("run", "--name", "one", "--runtime", runtime, "busybox", "echo", "by shim")).Succeeded().Text);
        var id = (await _engine.Docker("inspect", "-f", "{{.Id}}", "one")).Succeeded().Text;
        Assert.Matches($"^containerd-shim-kata-v2: -namespace cais -address \\S+ -publish-binary \\S+ -id {id} start; MAX_SHIM_VERSION=3, in \\S*/{id}\n", Calls);
        Assert.Equal(runtime, (await _engine.Docker("inspect", "-f", "{{.HostConfig.Runtime}}", "one")).Text);
    }

    [Fact]
    public async Task A_runtimes_own_arguments_come_before_the_command()
    {
        Assert.Equal("by path", (await _engine.Docker("run", "--rm", "--runtime", "gvisor", "busybox", "echo", "by path")).Succeeded().Text);
        Assert.Matches("^runsc: --platform=systrap --debug-log=/tmp/it's mine/ --root \\S+ --log \\S+ --log-format json create --bundle ", Calls);
        Assert.Contains(" start ", Calls, StringComparison.Ordinal);
        Assert.Contains(" delete ", Calls, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nabla")]
    [InlineData("bin/runnc")]
    public async Task A_runtime_may_be_named_or_given_by_its_path(string runtime)
    {
        Assert.Equal("plain", (await _engine.Docker("run", "--rm", "--runtime", runtime == "nabla" ? runtime : _scratch[runtime], "busybox", "echo", "plain")).Succeeded().Text);
        Assert.Matches("^runnc: --root \\S+ --log \\S+ --log-format json create --bundle ", Calls);
    }

    [Fact]
    public async Task They_are_listed_with_their_programs()
    {
        var list = (await _engine.Docker("info", "-f", "{{range $name, $runtime := .Runtimes}}{{$name}}={{$runtime.Path}} {{end}}")).Succeeded().Text;
        Assert.Contains($"gvisor={_scratch["bin/runsc"]} ", list, StringComparison.Ordinal);
        Assert.Contains("kata= ", list, StringComparison.Ordinal);
    }

    /// <summary>A script of this name that writes its call down and becomes one of ours, without its own first arguments.</summary>
    private void Play(string name, string ours, int ownArguments)
    {
        var path = _scratch[$"bin/{name}"];
        File.WriteAllText(path, $"""
            #!/bin/sh
            echo "{name}: $*; MAX_SHIM_VERSION=$MAX_SHIM_VERSION, in $PWD" >>{_scratch["calls"]}
            shift {ownArguments}
            exec {Path.Combine(Programs.Directory, ours)} "$@"
            """);
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
    }
}
