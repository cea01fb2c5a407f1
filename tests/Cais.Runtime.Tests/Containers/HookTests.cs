using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>The six kinds of hook: when, where, with what, and what their failure does.</summary>
[Trait("Tier", "integration")]
public sealed class HookTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public HookTests() => File.WriteAllText(Log, "");

    public void Dispose() => _bundle.Dispose();

    private string Log => Path.Combine(_bundle.Directory, "log");

    private string Lines => string.Join(' ', File.ReadAllLines(Log));

    private static Hook Script(string script) => new() { Path = "/bin/sh", Args = ["sh", "-c", script], Env = ["PATH=/usr/bin:/bin"] };

    private Hook Say(string word) => Script($"echo {word} >> {Log}");

    private Spec With(Oci.Runtime.Hooks hooks, params string[] args) => _bundle.Spec(args.Length > 0 ? args : ["true"]) with { Hooks = hooks };

    [Fact]
    [Sentence("config.md", "hooks-order")]
    [Sentence("config.md", "prestart-before-createruntime")]
    [Sentence("config.md", "createcontainer-after-createruntime")]
    [Sentence("runtime.md", "prestart")]
    [Sentence("runtime.md", "createruntime")]
    [Sentence("runtime.md", "createcontainer")]
    [Sentence("runtime.md", "poststop")]
    public void Hooks_of_all_kinds_run_in_their_order()
    {
        _bundle.Run(With(new Oci.Runtime.Hooks
        {
            Poststop = [Say("stop1"), Say("stop2")],
            Poststart = [Say("started")],
            CreateContainer = [Say("inside")],
            CreateRuntime = [Say("runtime1"), Say("runtime2")],
            Prestart = [Say("pre1"), Say("pre2")],
        }));
        Assert.Equal("pre1 pre2 runtime1 runtime2 inside started stop1 stop2", Lines);
    }

    [Fact]
    [Sentence("config.md", "createruntime-before-pivot")]
    [Sentence("config.md", "prestart-before-pivot")]
    [Sentence("config.md", "createcontainer-before-pivot")]
    public void Hooks_of_creation_find_namespaces_made_and_the_root_not_switched_yet()
    {
        // In the container's mount namespace its mounts are there, still below the bundle; and its network namespace is not the host's.
        var seen = $$"""
            pid=$(grep -o '"pid":[0-9]*' | cut -d: -f2)
            grep -c ' {{_bundle.Rootfs}}/proc ' /proc/$pid/mountinfo >> {{Log}}
            [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ] && echo apart >> {{Log}}
            readlink /proc/$pid/root >> {{Log}}
            """;
        _bundle.Run(With(new Oci.Runtime.Hooks { Prestart = [Script(seen)], CreateRuntime = [Script(seen)] }));
        Assert.Equal("1 apart / 1 apart /", Lines);
        File.WriteAllText(Log, "");
        _bundle.Run(With(new Oci.Runtime.Hooks { CreateContainer = [Script($"grep -c ' {_bundle.Rootfs}/proc ' /proc/self/mountinfo >> {Log}")] }));
        Assert.Equal("1", Lines);
    }

    [Fact]
    [Sentence("config.md", "hooks-runtime-namespace")]
    public void Hooks_of_the_runtime_are_in_its_own_namespaces()
    {
        var where = Script($"for n in mnt pid net uts ipc cgroup; do readlink /proc/self/ns/$n; done >> {Log}");
        _bundle.Run(With(new Oci.Runtime.Hooks { Prestart = [where], CreateRuntime = [where], Poststart = [where], Poststop = [where] }));
        string[] own = [.. new[] { "mnt", "pid", "net", "uts", "ipc", "cgroup" }.Select(name => new FileInfo($"/proc/self/ns/{name}").LinkTarget!)];
        Assert.Equal([.. own, .. own, .. own, .. own], File.ReadAllLines(Log));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Sentence("config.md", "createcontainer-namespace")]
    [Sentence("config.md", "startcontainer-namespace")]
    public void Hooks_of_the_container_are_in_its_namespaces(bool ownUsers)
    {
        _bundle.MapRootfs(ownUsers ? 100_000u : 0);
        File.SetUnixFileMode(Log, (UnixFileMode)0x1b6);
        var script = "for n in mnt net uts ipc cgroup user; do readlink /proc/self/ns/$n; done";
        var spec = With(
            new Oci.Runtime.Hooks
            {
                CreateContainer = [Script($"({script}; readlink /proc/self/ns/pid_for_children) >> {Log}")],
                StartContainer = [Script($"({script}; readlink /proc/self/ns/pid) >> /log; hostname >> /log")],
            },
            "sleep", "1000").WithMount(new Mount { Source = Log, Destination = "/log", Type = "bind", Options = ["bind"] });
        using var container = _bundle.Create(ownUsers ? TestSpec.WithUserNamespace(spec) : spec);
        container.Start();
        string[] inside = [.. new[] { "mnt", "net", "uts", "ipc", "cgroup", "user", "pid" }.Select(name => new FileInfo($"/proc/{container.Pid}/ns/{name}").LinkTarget!)];
        Assert.Equal([.. inside, .. inside, "harbour"], File.ReadAllLines(Log));
    }

    [Fact]
    [Sentence("config.md", "startcontainer-path")]
    [Sentence("config.md", "startcontainer-before-program")]
    [Sentence("runtime.md", "startcontainer")]
    public void Start_hooks_are_programs_of_the_container_and_run_at_start_before_its_own()
    {
        File.Copy(BusyboxRoot.Busybox, Path.Combine(_bundle.Rootfs, "only-inside"));
        var hook = new Hook { Path = "/only-inside", Args = ["sh", "-c", "echo hook > /order"] };
        using var container = _bundle.Create(With(new Oci.Runtime.Hooks { StartContainer = [hook] }, "sh", "-c", "echo program >> /order"));
        Assert.False(File.Exists(Path.Combine(_bundle.Rootfs, "order")));
        container.Start();
        Pidfd.Wait(container.PidFd!);
        Assert.Equal(["hook", "program"], File.ReadAllLines(Path.Combine(_bundle.Rootfs, "order")));
    }

    [Fact]
    [Sentence("config.md", "hooks-path-runtime")]
    public void Other_hooks_are_programs_of_the_host()
    {
        var program = Path.Combine(_bundle.Directory, "only-outside");
        File.WriteAllText(program, $"#!/bin/sh\necho ran >> {Log}\n");
        File.SetUnixFileMode(program, (UnixFileMode)0x1ed);
        var hook = new Hook { Path = program };
        _bundle.Run(With(new Oci.Runtime.Hooks { Prestart = [hook], CreateRuntime = [hook], CreateContainer = [hook], Poststart = [hook], Poststop = [hook] }));
        Assert.Equal("ran ran ran ran ran", Lines);
    }

    [Fact]
    [Sentence("config.md", "hooks-state")]
    public void The_state_is_on_the_standard_input()
    {
        var status = Script($"tr ',' '\\n' | grep -o '\"status\":\"[a-z]*\"' >> {Log}");
        using var container = _bundle.Create(With(new Oci.Runtime.Hooks
        {
            Prestart = [status],
            CreateRuntime = [status],
            CreateContainer = [status],
            StartContainer = [Script("cat > /state")],
            Poststart = [status],
            Poststop = [Script($"cat >> {Log}")],
        }));
        container.Start();
        Pidfd.Wait(container.PidFd!);
        container.Delete();
        Assert.StartsWith("\"status\":\"creating\" \"status\":\"creating\" \"status\":\"creating\" \"status\":\"running\" {", Lines, StringComparison.Ordinal);
        Assert.Contains("\"status\":\"created\"", File.ReadAllText(Path.Combine(_bundle.Rootfs, "state")), StringComparison.Ordinal);
        Assert.Contains($"\"id\":\"{_bundle.Id}\"", Lines, StringComparison.Ordinal);
        Assert.Contains("\"status\":\"stopped\"", Lines, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prestart")]
    [InlineData("createRuntime")]
    [InlineData("createContainer")]
    [Sentence("runtime.md", "prestart")]
    [Sentence("runtime.md", "createruntime")]
    [Sentence("runtime.md", "createcontainer")]
    public void A_failing_hook_of_creation_ends_it_and_leaves_nothing(string kind)
    {
        Hook[] failing = [Script("exit 3"), Say("never")];
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(With(new Oci.Runtime.Hooks
        {
            Prestart = kind == "prestart" ? failing : null,
            CreateRuntime = kind == "createRuntime" ? failing : null,
            CreateContainer = kind == "createContainer" ? failing : null,
            Poststop = [Say("poststop")],
        })));
        Assert.Equal($"{kind} hook /bin/sh failed with exit status 3", error.Message);
        Assert.Empty(_bundle.Runtime.List());
        Assert.Equal("poststop", Lines);
    }

    [Theory]
    [InlineData("startContainer")]
    [InlineData("poststart")]
    [Sentence("runtime.md", "startcontainer")]
    [Sentence("runtime.md", "poststart")]
    public void A_failing_hook_of_the_start_stops_the_container(string kind)
    {
        using var container = _bundle.Create(With(
            new Oci.Runtime.Hooks
            {
                StartContainer = kind == "startContainer" ? [Script("exit 3")] : null,
                Poststart = kind == "poststart" ? [Script("exit 3")] : null,
                Poststop = [Say("poststop")],
            },
            "sleep", "1000"));
        Assert.Equal($"{kind} hook /bin/sh failed with exit status 3", Assert.Throws<RuntimeException>(container.Start).Message);
        Assert.Equal(Signals.Kill, Pidfd.Wait(container.PidFd!).Signal);
        Assert.Equal(ContainerStatus.Stopped, container.Status);

        // Its life goes on where delete is asked for.
        container.Delete();
        Assert.Equal("poststop", Lines);
        Assert.Empty(_bundle.Runtime.List());
    }

    [Fact]
    [Sentence("runtime.md", "poststop")]
    [Sentence("runtime.md", "warnings")]
    [Sentence("config.md", "poststop-after-delete")]
    public void A_failing_hook_of_the_end_is_a_warning_and_the_others_run()
    {
        using var container = _bundle.Create(With(new Oci.Runtime.Hooks
        {
            Poststop = [Script("exit 3"), Script($"ls {_bundle.Runtime.StateRoot} | wc -l >> {Log}"), new Hook { Path = "/nonesuch" }, Say("last")],
        }));
        container.Start();
        Pidfd.Wait(container.PidFd!);
        container.Delete();
        Assert.Equal("0 last", Lines);
        Assert.Equal(2, container.Warnings.Count);
        Assert.StartsWith("poststop hook /bin/sh failed", container.Warnings[0], StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("config.md", "poststart-when")]
    public void Hooks_after_the_start_find_the_program_running_and_the_start_waits_for_them()
    {
        using var container = _bundle.Create(With(
            new Oci.Runtime.Hooks { Poststart = [Script($"pid=$(grep -o '\"pid\":[0-9]*' | cut -d: -f2); tr '\\0' ' ' < /proc/$pid/cmdline >> {Log}")] },
            "sleep", "1000"));
        container.Start();
        Assert.Equal("sleep 1000 ", File.ReadAllText(Log));
    }

    [Fact]
    [Sentence("config.md", "hook-timeout")]
    public void A_hook_that_takes_too_long_is_killed()
    {
        var hooks = new Oci.Runtime.Hooks { CreateContainer = [new Hook { Path = "/bin/sleep", Args = ["sleep", "1000"], Timeout = 1 }] };
        Assert.Equal("createContainer hook /bin/sleep did not end within 1 s", Assert.Throws<RuntimeException>(() => _bundle.Create(With(hooks))).Message);
    }
}
