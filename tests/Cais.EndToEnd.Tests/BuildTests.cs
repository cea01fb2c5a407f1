using System.Text.Json;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Builds by cais build and by the docker client's classic builder.</summary>
[Trait("Tier", "e2e")]
public sealed class BuildTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_file_is_built_cached_tagged_and_runs(string client)
    {
        using var context = new BuildContext("FROM busybox\nENV WHO=quay\nWORKDIR /app\nCOPY hello.txt .\nRUN echo \"built for $WHO\" > made && touch /etc/extra\nCMD cat hello.txt made\n", ("hello.txt", "hello\n"));
        var name = "built-" + client;
        var first = await Build(client, "-t", name, context.Folder);
        Assert.Contains("RUN echo", first.Output + first.Error, StringComparison.Ordinal);
        Assert.Equal("hello\nbuilt for quay", (await Run(name)).Text);
        var id = await Id(name);
        var second = await Build(client, "-t", name, context.Folder);
        Assert.Contains(client == "docker" ? "Using cache" : "CACHED", second.Output + second.Error, StringComparison.Ordinal);
        Assert.Equal(id, await Id(name));
        context.Write("hello.txt", "changed\n");
        await Build(client, "-t", name, context.Folder);
        Assert.Equal("changed\nbuilt for quay", (await Run(name)).Text);

        // What was mounted while the command ran is no part of the layer.
        var listing = (await Run(name, "find", "/proc", "/dev", "/sys", "/etc", "-xdev", "-maxdepth", "0")).Lines;
        Assert.NotEmpty(listing);
        using var saved = new Scratch("layers");
        var names = (await Command.Run("sh", ["-c", $"""
            mkdir {saved["image"]} && {_engine.CommandLine("cais", $"save {name}")} | tar -x -C {saved["image"]}
            for blob in {saved["image"]}/blobs/sha256/*; do tar -tf $blob 2>/dev/null; done; true
            """])).Succeeded().Output;
        Assert.Contains("bin/busybox", names, StringComparison.Ordinal);
        Assert.DoesNotContain("resolv.conf", names, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_failed_command_says_where_it_stands_what_it_said_and_its_exit_code(string client)
    {
        using var context = new BuildContext("FROM busybox\nRUN true\nRUN echo before it failed; exit 7\n");
        var failed = await TryBuild(client, context.Folder);
        var said = failed.Output + failed.Error;
        Assert.NotEqual(0, failed.ExitCode);
        Assert.Contains("before it failed", said, StringComparison.Ordinal);
        Assert.Contains(">>> RUN echo before", said, StringComparison.Ordinal);
        Assert.Contains("Dockerfile:3", said, StringComparison.Ordinal);
        Assert.Contains(client == "docker" ? "returned a non-zero code: 7" : "exit code: 7", said, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_wrong_file_is_refused_with_its_line(string client)
    {
        using var context = new BuildContext("FROM busybox\nRUNN x\n");
        var failed = await TryBuild(client, context.Folder);
        Assert.NotEqual(0, failed.ExitCode);
        Assert.Contains("unknown instruction: RUNN", failed.Error, StringComparison.Ordinal);
        Assert.Contains("line 2", failed.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mounts_are_there_while_the_command_runs_and_leave_nothing()
    {
        using var context = new BuildContext(
            """
            FROM busybox AS tools
            RUN echo tool > /tool
            FROM busybox
            RUN --mount=type=cache,target=/c echo once >> /c/log && wc -l < /c/log > /cached
            RUN --mount=type=bind,from=tools,source=/tool,target=/t cat /t > /bound
            RUN --mount=target=/ctx ls /ctx > /listed
            RUN --mount=target=/ctx,rw touch /ctx/new && ls /ctx > /written
            RUN --mount=type=tmpfs,target=/m,size=1m mount | grep ' /m ' > /memory && echo x > /m/x
            RUN --mount=type=secret,id=s,env=SECRET --mount=type=secret,id=s,mode=0444,uid=33 echo $SECRET > /env && stat -c '%a %u' /run/secrets/s > /mode
            RUN <<EOT
            echo from a heredoc > /heredoc
            EOT
            """,
            ("f", "1"));
        context.Write("secret", "very");
        await Build("cais", "-t", "mounts", "--secret", $"id=s,src={context.Folder}/secret", "--no-cache-filter", "none", context.Folder);
        Assert.Equal("tool", (await Run("mounts", "cat", "/bound")).Text);
        Assert.Equal(["Dockerfile", "f", "secret"], (await Run("mounts", "cat", "/listed")).Lines);
        Assert.Equal(["Dockerfile", "f", "new", "secret"], (await Run("mounts", "cat", "/written")).Lines);
        Assert.Contains("size=1024k", (await Run("mounts", "cat", "/memory")).Text, StringComparison.Ordinal);
        Assert.Equal(["very", "444 33", "from a heredoc"], (await Run("mounts", "cat", "/env", "/mode", "/heredoc")).Lines);
        Assert.Equal("1", (await Run("mounts", "cat", "/cached")).Text);
        Assert.NotEqual(0, (await _engine.Cais("run", "--rm", "mounts", "ls", "/t", "/ctx", "/m", "/c", "/run/secrets")).ExitCode);
        Assert.False(File.Exists(Path.Combine(context.Folder, "new")));
        await Build("cais", "-t", "mounts", "--no-cache", "--secret", $"id=s,src={context.Folder}/secret", context.Folder);
        Assert.Equal("2", (await Run("mounts", "cat", "/cached")).Text);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_engine.RunFolder, "exec", "builds")));
    }

    [Fact]
    public async Task A_result_goes_to_a_directory_an_archive_or_standard_output()
    {
        using var context = new BuildContext("FROM busybox AS b\nRUN mkdir /o && echo made > /o/file && chmod 640 /o/file\nFROM scratch\nCOPY --from=b /o/file /sub/file\n");
        using var output = new Scratch("output");
        await Build("cais", "-o", output["local"], context.Folder);
        Assert.Equal("made\n", await File.ReadAllTextAsync(output["local"] + "/sub/file", TestContext.Current.CancellationToken));
        await Build("cais", "--output", $"type=tar,dest={output["out.tar"]}", context.Folder);
        Assert.Contains("sub/file", (await Command.Run("tar", ["-tf", output["out.tar"]])).Succeeded().Lines);
        await Build("cais", "--output", $"type=oci,dest={output["oci.tar"]}", "-t", "from-archive:v1", context.Folder);
        Assert.Contains("oci-layout", (await Command.Run("tar", ["-tf", output["oci.tar"]])).Succeeded().Lines);
        Assert.Contains("from-archive:v1", (await _engine.Cais("load", "-i", output["oci.tar"])).Succeeded().Output, StringComparison.Ordinal);
        await Build("cais", "--iidfile", output["id"], "--metadata-file", output["meta"], "-t", "meta:1", context.Folder);
        Assert.Equal(await Id("meta:1"), await File.ReadAllTextAsync(output["id"], TestContext.Current.CancellationToken));
        using var metadata = JsonDocument.Parse(await File.ReadAllTextAsync(output["meta"], TestContext.Current.CancellationToken));
        Assert.Equal("docker.io/library/meta:1", metadata.RootElement.GetProperty("image.name").GetString());
        Assert.StartsWith("sha256:", (await Build("cais", "-q", context.Folder)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_build_gives_the_same_bits()
    {
        using var context = new BuildContext("FROM busybox\nRUN date > /dev/null && mkdir /a && echo 1 > /a/b\nCOPY f /f\nWORKDIR /w\n", ("f", "1"));
        var ids = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            await Build("cais", "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--provenance", "true", "-t", "same", context.Folder);
            ids.Add(await Id("same"));
        }

        Assert.Equal(ids[0], ids[1]);
        Assert.Equal("1700000000", (await Run("same", "stat", "-c", "%Y", "/a/b")).Text);
        Assert.Contains("2023-11-14T22:13:20Z", (await _engine.Cais("inspect", "-f", "{{.Created}}", "same")).Succeeded().Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_inline_cache_is_found_by_another_engine()
    {
        using var context = new BuildContext("FROM busybox\nRUN echo expensive > /e\nRUN echo more > /m\n");
        using var archive = new Scratch("cache");
        await Build("cais", "--cache-to", "type=inline", "-t", "carrier", context.Folder);
        (await _engine.Cais("save", "-o", archive["image.tar"], "carrier")).Succeeded();
        await Build("cais", "--cache-to", $"type=local,dest={archive["directory"]},mode=max", context.Folder);
        await using var other = await Engine.Start();
        await Busybox.Import(other);
        (await other.Cais("load", "-i", archive["image.tar"])).Succeeded();

        // The base must be the same image there, as if both had pulled it.
        (await _engine.Cais("save", "-o", archive["base.tar"], "busybox")).Succeeded();
        (await other.Cais("load", "-i", archive["base.tar"])).Succeeded();
        var inline = (await other.Cais("build", "--progress", "plain", "--cache-from", "carrier", context.Folder)).Succeeded();
        Assert.Equal(2, CachedCommands(inline.Error));
        (await other.Cais("builder", "prune", "-af")).Succeeded();
        (await other.Cais("rmi", "-f", "carrier")).Succeeded();
        var local = (await other.Cais("build", "--progress", "plain", "--cache-from", $"type=local,src={archive["directory"]}", context.Folder)).Succeeded();
        Assert.Equal(2, CachedCommands(local.Error));
    }

    /// <summary>How many RUN steps of a plain progress display came from the cache.</summary>
    private static int CachedCommands(string progress)
    {
        var lines = progress.Split('\n');
        var commands = lines.Where(l => l.StartsWith('#') && l.Contains("] RUN ", StringComparison.Ordinal)).Select(l => l.Split(' ')[0]).Distinct();
        return commands.Count(c => lines.Contains($"{c} CACHED"));
    }

    [Fact]
    public async Task Checks_are_made_without_building()
    {
        using var context = new BuildContext("FROM busybox\nCMD echo x\nRUN false\n");
        var found = await TryBuild("cais", "--check", context.Folder);
        Assert.Equal(1, found.ExitCode);
        Assert.Contains("WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/", found.Output, StringComparison.Ordinal);
        using var clean = new BuildContext("FROM busybox\nRUN false\n");
        Assert.Equal("Check complete, no warnings found.", (await Build("cais", "--check", clean.Folder)).Text);
    }

    [Fact]
    public async Task The_targets_of_a_file_are_listed()
    {
        using var context = new BuildContext("# base has the tools\nFROM busybox AS base\nFROM base AS app\n");
        Assert.Equal(["TARGET           DESCRIPTION", "base             has the tools", "app (default)"], (await Build("cais", "--call", "targets", context.Folder)).Lines);
    }

    [Fact]
    public async Task What_can_be_given_to_a_build_is_listed()
    {
        using var context = new BuildContext(
            "# VERSION is what is built\nARG VERSION=1\nFROM busybox AS base\nRUN --mount=type=secret,id=token,required=true true\n# app is all of it\nFROM base AS app\nRUN --mount=type=cache,target=/c true\nFROM base AS last\n");
        Assert.Equal(
            ["TARGET:         app", "DESCRIPTION:    is all of it", "BUILD ARG    VALUE    DESCRIPTION", "VERSION      2        is what is built", "CACHE", "/c", "SECRET    REQUIRED", "token     true"],
            (await Build("cais", "--call", "outline", "--target", "app", "--build-arg", "VERSION=2", context.Folder)).Lines);
    }

    [Fact]
    public async Task A_named_context_is_an_address()
    {
        using var repository = new Scratch("repository");
        var folder = Directory.CreateDirectory(repository["files.git"]).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "f"), "from git", TestContext.Current.CancellationToken);
        foreach (var arguments in new[] { "init --quiet --initial-branch=main .", "add .", "-c user.name=t -c user.email=t@e commit --quiet -m one" })
        {
            (await Command.Run("git", ["-C", folder, .. arguments.Split(' ')])).Succeeded();
        }

        using var context = new BuildContext("FROM busybox\nCOPY --from=repo f /f\n");
        await using var server = await GitDaemon.Serve(repository.Folder);
        await Build("cais", "--build-context", $"repo={server.Address}/files.git", "-t", "named", context.Folder);
        Assert.Equal("from git", (await Run("named", "cat", "/f")).Text);
        await Build("cais", "--build-context", $"repo={folder}", "-t", "named", context.Folder);
        Assert.Equal("from git", (await Run("named", "cat", "/f")).Text);
    }

    [Fact]
    public async Task Several_platforms_become_one_index_and_what_cannot_run_is_said()
    {
        using var context = new BuildContext("FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH\nCOPY f /f\n", ("f", "1"));
        await Build("cais", "--platform", "linux/amd64,linux/arm64", "--sbom", "true", "-t", "multi", context.Folder);
        using var archive = new Scratch("multi");
        (await _engine.Cais("save", "-o", archive["m.tar"], "multi")).Succeeded();
        var index = (await Command.Run("tar", ["-xOf", archive["m.tar"], "index.json"])).Succeeded().Output;
        Assert.Contains("image.index", index, StringComparison.Ordinal);
        using var running = new BuildContext("FROM scratch\nRUN x\n");
        var failed = await TryBuild("cais", "--platform", "linux/s390x", running.Folder);
        Assert.Contains("cannot run programs for linux/s390x", failed.Error, StringComparison.Ordinal);
        Assert.Contains("qemu-user-static", failed.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_build_that_is_interrupted_leaves_nothing_running()
    {
        using var context = new BuildContext("FROM busybox\nRUN echo begun; sleep 4242\n");
        await using (var build = _engine.ClientInBackground("cais", "build", "--progress", "plain", context.Folder))
        {
            await Eventually.Holds(async () => (await Command.Run("pgrep", ["-f", "sleep 4242"])).ExitCode == 0, "the command runs");
            await build.Terminate();
        }

        await Eventually.Holds(async () => (await Command.Run("pgrep", ["-xf", "sleep 4242"])).ExitCode != 0, "the command is gone");
        await Eventually.Holds(() => !Directory.EnumerateFileSystemEntries(Path.Combine(_engine.RunFolder, "exec", "builds")).Any(), "nothing is left of it");
    }

    [Fact]
    public async Task A_crash_in_the_middle_leaves_cache_and_store_sound()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        using var context = new BuildContext("FROM busybox\nRUN echo 1 > /one\nRUN echo 2 > /two; sleep 4343\n");
        for (var round = 0; round < 3; round++)
        {
            await using (var build = engine.ClientInBackground("cais", "build", "--build-arg", $"R={round}", "--progress", "plain", context.Folder))
            {
                await Eventually.Holds(async () => (await Command.Run("pgrep", ["-f", "sleep 4343"])).ExitCode == 0, "the command runs");
                await engine.Crash();
            }

            await engine.StartDaemon();
            await Eventually.Holds(async () => (await Command.Run("pgrep", ["-xf", "sleep 4343"])).ExitCode != 0, "the command is gone");
        }

        context.Write("Dockerfile", "FROM busybox\nRUN echo 1 > /one\nRUN echo 2 > /two\n");
        var built = (await engine.Cais("build", "--progress", "plain", "-t", "after", context.Folder)).Succeeded();
        Assert.Contains("CACHED", built.Error, StringComparison.Ordinal);
        Assert.Equal(["1", "2"], (await engine.Cais("run", "--rm", "after", "cat", "/one", "/two")).Succeeded().Lines);
    }

    [Fact]
    public async Task Pruning_the_cache_leaves_images_whole()
    {
        using var context = new BuildContext("FROM busybox\nRUN echo kept > /kept\n");
        await Build("cais", "-t", "pruned", context.Folder);
        Assert.Contains("RUN echo kept", (await _engine.Cais("builder", "du", "--verbose")).Succeeded().Output, StringComparison.Ordinal);
        (await _engine.Cais("builder", "prune", "-af")).Succeeded();
        Assert.Equal("kept", (await Run("pruned", "cat", "/kept")).Text);
        await Build("cais", "-t", "pruned2", context.Folder);
        Assert.Equal("kept", (await Run("pruned2", "cat", "/kept")).Text);
    }

    [Fact]
    public async Task A_secret_agent_answers_through_the_build()
    {
        using var context = new BuildContext("FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo \"$SSH_AUTH_SOCK\" > /sock\n");
        using var agent = new Scratch("agent");
        using var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(agent["s"]));
        listener.Listen();
        await Build("cais", "--ssh", $"default={agent["s"]}", "-t", "ssh", context.Folder);
        Assert.Equal("/run/buildkit/ssh_agent.0", (await Run("ssh", "cat", "/sock")).Text);
    }

    private async Task<ProcessResult> Build(string client, params string[] arguments) => (await TryBuild(client, arguments)).Succeeded();

    private Task<ProcessResult> TryBuild(string client, params string[] arguments) => client == "docker"
        ? Command.Run("docker", ["-H", $"unix://{_engine.Socket}", "build", .. arguments], environment: new Dictionary<string, string?> { ["DOCKER_BUILDKIT"] = "0", ["DOCKER_HOST"] = null })
        : _engine.Cais(["build", "--progress", "plain", .. arguments]);

    private async Task<ProcessResult> Run(string image, params string[] command) => (await _engine.Cais(["run", "--rm", image, .. command])).Succeeded();

    private async Task<string> Id(string image) => (await _engine.Cais("inspect", "-f", "{{.Id}}", image)).Succeeded().Text;

    private sealed class BuildContext : IDisposable
    {
        private readonly Scratch _scratch = new("context");

        public BuildContext(string dockerfile, params (string Name, string Content)[] files)
        {
            Write("Dockerfile", dockerfile);
            foreach (var (name, content) in files)
            {
                Write(name, content);
            }
        }

        public string Folder => _scratch.Folder;

        public void Write(string name, string content) => File.WriteAllText(_scratch[name], content);

        public void Dispose() => _scratch.Dispose();
    }
}
