using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>A daemon whose containers have a user namespace each (<c>userns-remap</c>), asked by docker's own client.</summary>
[Trait("Tier", "e2e")]
public sealed class UserNamespaceTests(UserNamespaceTests.RemappedFixture fixture) : IClassFixture<UserNamespaceTests.RemappedFixture>
{
    private Engine Engine => fixture.Engine;

    [Fact]
    public async Task Root_in_a_container_is_somebody_else_outside()
    {
        Assert.Contains("name=userns", await Text("info", "-f", "{{.SecurityOptions}}"), StringComparison.Ordinal);
        Assert.Equal("0 100000 65536 0 0", await Text("run", "--rm", "busybox", "sh", "-c", "echo $(cat /proc/self/uid_map) $(id -u) $(stat -c %u /bin)"));
        (await Run("run", "-d", "--name", "box", "busybox", "sleep", "300")).Succeeded();
        var pid = await Text("inspect", "-f", "{{.State.Pid}}", "box");
        Assert.Contains("Uid:\t100000\t", await File.ReadAllTextAsync($"/proc/{pid}/status", TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal("0 out", await Text("exec", "box", "sh", "-c", "echo $(id -u) out > /dev/stdout"));
        Assert.Equal("33", await Text("exec", "-u", "www", "box", "sh", "-c", "id -u > /dev/stdout"));
        (await Run("exec", "box", "sh", "-c", "ping -c 1 -W 2 127.0.0.1 && echo 127.0.0.9 nine >> /etc/hosts && ls /sys/class/net/eth0")).Succeeded();
        Assert.Equal("100000", (await Text("top", "box")).Split('\n')[1].Split(' ')[0]);
        (await Run("rm", "-f", "box")).Succeeded();
    }

    [Fact]
    public async Task A_container_may_stay_in_the_hosts_namespace_and_only_there_have_what_is_the_hosts()
    {
        Assert.Equal("0 0 4294967295", await Text("run", "--rm", "--userns=host", "--privileged", "--net=host", "--pid=host", "busybox", "sh", "-c", "echo $(cat /proc/self/uid_map)"));
        foreach (var (option, message) in new[]
        {
            ("--privileged", "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"),
            ("--net=host", "cannot share the host's network namespace when user namespaces are enabled"),
            ("--pid=host", "cannot share the host PID namespace when user namespaces are enabled"),
        })
        {
            var refused = await Run("run", "--rm", option, "busybox");
            Assert.Equal(125, refused.ExitCode);
            Assert.Contains(message, refused.Error, StringComparison.Ordinal);
        }

        (await Run("run", "--rm", "--ipc=host", "--uts=host", "busybox", "true")).Succeeded();
    }

    [Fact]
    public async Task Volumes_have_containers_ids_and_host_directories_the_hosts()
    {
        var folder = fixture.Scratch["made"];
        Assert.Equal("7 0", await Text("run", "--rm", "-v", "data:/v", "-v", $"{folder}:/b", "busybox", "sh", "-c", "touch /v/f /b/f && chown 7:8 /v/f && echo $(stat -c %u /v/f /b/f)"));
        Assert.Equal("7:8", await Text("run", "--rm", "--userns=host", "-v", "data:/v", "busybox", "stat", "-c", "%u:%g", "/v/f"));
        Assert.Equal("100000 100000", (await Command.Run("stat", ["-c", "%u %g", folder])).Text);
        Assert.Equal("100000", (await Command.Run("stat", ["-c", "%u", Path.Combine(folder, "f")])).Text);
        (await Run("run", "--rm", "--mount", "type=image,source=busybox,target=/i", "--tmpfs", "/t", "busybox", "sh", "-c", "test $(stat -c %u /i/bin/busybox) = 0 && touch /t/x")).Succeeded();
        (await Run("volume", "rm", "data")).Succeeded();
    }

    [Fact]
    public async Task Files_are_copied_committed_and_exported_with_the_ids_that_they_have_inside()
    {
        var file = fixture.Scratch["file"];
        await File.WriteAllTextAsync(file, "content", TestContext.Current.CancellationToken);
        (await Run("run", "-d", "--name", "box", "busybox", "sh", "-c", "mkdir /d && touch /d/x && chown 5:6 /d/x && sleep 300")).Succeeded();
        await Eventually.Holds(async () => (await Run("exec", "box", "test", "-f", "/d/x")).ExitCode == 0, "the file is there");
        await Copy();
        (await Run("stop", "-t", "0", "box")).Succeeded();
        await Copy();
        Assert.Contains("A /d/x", await Text("diff", "box"), StringComparison.Ordinal);
        (await Run("export", "-o", fixture.Scratch["c.tar"], "box")).Succeeded();
        Assert.Contains("5/6", (await Command.Run("tar", ["tvf", fixture.Scratch["c.tar"], "--numeric-owner", "d/x"])).Text, StringComparison.Ordinal);
        (await Run("commit", "box", "changed")).Succeeded();
        foreach (var mode in new[] { "", "host" })
        {
            Assert.Equal("5:6 0:0", await Text("run", "--rm", $"--userns={mode}", "changed", "sh", "-c", "echo $(stat -c %u:%g /d/x /d/file)"));
        }

        (await Run("rm", "box")).Succeeded();
        (await Run("rmi", "changed")).Succeeded();

        async Task Copy()
        {
            (await Run("cp", "-a", file, "box:/d/file")).Succeeded();
            var archive = await Engine.ClientBytes("docker", "cp", "box:/d", "-");
            await File.WriteAllBytesAsync(fixture.Scratch["d.tar"], archive, TestContext.Current.CancellationToken);
            var list = (await Command.Run("tar", ["tvf", fixture.Scratch["d.tar"], "--numeric-owner"])).Text;
            Assert.Contains("5/6", list, StringComparison.Ordinal);
            Assert.DoesNotContain("100000", list, StringComparison.Ordinal);
            Assert.DoesNotContain("65534", list, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Who_shares_a_namespace_shares_the_user_namespace_that_owns_it()
    {
        (await Run("run", "-d", "--name", "box", "--ipc=shareable", "busybox", "sleep", "300")).Succeeded();
        var own = await Text("exec", "box", "readlink", "/proc/self/ns/user");
        foreach (var option in new[] { "--net=container:box", "--ipc=container:box", "--pid=container:box" })
        {
            var sharing = await Text("run", "--rm", option, "busybox", "sh", "-c", "ping -c 1 -W 2 127.0.0.1 > /dev/null && readlink /proc/self/ns/user");
            Assert.Equal(own, sharing);
        }

        Assert.NotEqual(own, await Text("run", "--rm", "busybox", "readlink", "/proc/self/ns/user"));
        (await Run("run", "-d", "--name", "plain", "--userns=host", "busybox", "sleep", "300")).Succeeded();
        Assert.Contains("use --userns=host", (await Run("run", "--rm", "--net=container:plain", "busybox")).Error, StringComparison.Ordinal);
        (await Run("run", "--rm", "--net=container:box", "--userns=host", "busybox", "true")).Succeeded();
        (await Run("rm", "-f", "box", "plain")).Succeeded();
    }

    [Fact]
    public async Task A_build_runs_its_commands_in_there_too()
    {
        var context = Directory.CreateDirectory(fixture.Scratch["context"]).FullName;
        await File.WriteAllTextAsync(Path.Combine(context, "Dockerfile"), """
            FROM busybox
            RUN set -- $(cat /proc/self/uid_map) && test $2 = 100000 && touch /made && mkdir /o && chown 4:4 /o && ping -c 1 127.0.0.1
            RUN --mount=type=cache,target=/c --mount=type=bind,target=/x touch /c/y && test "$(stat -c %u /c/y /x/Dockerfile | tr '\n' ' ')" = "0 0 "
            COPY --chown=9:9 Dockerfile /f
            """, TestContext.Current.CancellationToken);
        (await Engine.Client("cais", ["build", "-t", "built", context])).Succeeded();
        Assert.Equal("0 4 9", await Text("run", "--rm", "built", "sh", "-c", "echo $(stat -c %u /made /o /f)"));
        (await Run("rmi", "built")).Succeeded();
    }

    [Fact]
    public async Task A_daemon_without_remapping_takes_over_what_runs_and_what_there_is()
    {
        (await Run("run", "-d", "--name", "box", "-v", "kept:/v", "busybox", "sh", "-c", "touch /own /v/f; sleep 300")).Succeeded();
        await Eventually.Holds(async () => (await Run("exec", "box", "test", "-f", "/v/f")).ExitCode == 0, "the files are there");
        await Engine.Crash();
        await Engine.StartDaemon([]);
        try
        {
            Assert.DoesNotContain("name=userns", await Text("info", "-f", "{{.SecurityOptions}}"), StringComparison.Ordinal);
            Assert.Equal("0", await Text("exec", "box", "stat", "-c", "%u", "/own"));
            (await Run("restart", "-t", "0", "box")).Succeeded();
            Assert.Equal("0 0 0 0 4294967295", await Text("exec", "box", "sh", "-c", "echo $(stat -c %u /own /v/f) $(cat /proc/self/uid_map)"));
        }
        finally
        {
            await Engine.StopDaemon();
            await Engine.StartDaemon();
        }

        (await Run("restart", "-t", "0", "box")).Succeeded();
        Assert.Equal("0 0 0 100000 65536", await Text("exec", "box", "sh", "-c", "echo $(stat -c %u /own /v/f) $(cat /proc/self/uid_map)"));
        (await Run("rm", "-f", "-v", "box")).Succeeded();
        (await Run("volume", "rm", "kept")).Succeeded();
    }

    private Task<ProcessResult> Run(params string[] arguments) => Engine.Docker(arguments);

    private async Task<string> Text(params string[] arguments) => (await Run(arguments)).Succeeded().Text;

    /// <summary>With subordinate ids of its own in place of the machine's.</summary>
    public sealed class RemappedFixture : IAsyncLifetime
    {
        private static readonly string[] Replaced = ["passwd", "group", "subuid", "subgid"];

        internal Engine Engine { get; private set; } = null!;

        internal Scratch Scratch { get; } = new("remap");

        public async ValueTask InitializeAsync()
        {
            foreach (var name in Replaced)
            {
                var old = File.Exists($"/etc/{name}") ? await File.ReadAllTextAsync($"/etc/{name}") : "";
                await File.WriteAllTextAsync(Scratch[name], name switch
                {
                    "passwd" => old + "remapped:x:64000:64000::/nonexistent:/bin/false\n",
                    "group" => old + "remapped:x:64000:\n",
                    _ => "remapped:100000:65536\n",
                });
                (await Command.Run("mount", ["--bind", Scratch[name], $"/etc/{name}"])).Succeeded();
            }

            Engine = await Engine.Start("--userns-remap", "remapped");
            await Busybox.Import(Engine);
        }

        public async ValueTask DisposeAsync()
        {
            await Engine.DisposeAsync();
            foreach (var name in Replaced)
            {
                (await Command.Run("umount", [$"/etc/{name}"])).Succeeded();
            }

            Scratch.Dispose();
        }
    }
}
