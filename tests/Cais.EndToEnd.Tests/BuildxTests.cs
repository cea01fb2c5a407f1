using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>What people do with docker build, buildx and compose, by those programs themselves.</summary>
[Trait("Tier", "e2e")]
public sealed class BuildxTests(EngineFixture fixture) : IClassFixture<EngineFixture>, IDisposable
{
    private readonly Buildx _buildx = new(fixture.Engine);

    public void Dispose() => _buildx.Dispose();

    [Fact]
    public async Task Build_gives_an_image_of_the_context_without_what_is_ignored()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nARG WHO=world\nCOPY . /src\nRUN echo \"hello $WHO\" > /greeting\nCMD [\"cat\", \"/greeting\"]\n");
        _buildx.Write(".dockerignore", "*.log\n!keep.log\n");
        _buildx.Write("a.log", "no");
        _buildx.Write("keep.log", "yes");
        _buildx.Write("sub/größe ä.txt", "unicode");
        (await _buildx.Docker("build", "-t", "bx-one", "--build-arg", "WHO=cais", ".")).Succeeded();
        Assert.Equal("hello cais", (await _buildx.Docker("run", "--rm", "bx-one")).Succeeded().Text);
        Assert.Equal([".dockerignore", "Dockerfile", "keep.log", "sub"], (await _buildx.Docker("run", "--rm", "bx-one", "ls", "-A", "/src")).Succeeded().Lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_second_build_finds_every_step_in_the_cache_and_a_changed_file_only_what_it_touches()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo base > /base\nCOPY f /f\nRUN cat /f > /g\n");
        _buildx.Write("f", "1");
        await _buildx.Build("-t", "bx-cache");
        var again = await _buildx.Build("-t", "bx-cache");
        Assert.Equal(["RUN echo base > /base", "COPY f /f", "RUN cat /f > /g"], CachedSteps(again));
        _buildx.Write("f", "2");
        var changed = await _buildx.Build("-t", "bx-cache");
        Assert.Equal(["RUN echo base > /base"], CachedSteps(changed));
        Assert.Equal("2", (await _buildx.Docker("run", "--rm", "bx-cache", "cat", "/g")).Succeeded().Text);
    }

    [Fact]
    public async Task Secrets_agents_and_named_contexts_come_from_the_client()
    {
        _buildx.Write("Dockerfile", """
            FROM busybox
            RUN --mount=type=secret,id=token cat /run/secrets/token > /seen
            RUN --mount=type=secret,id=token,env=TOKEN echo "env $TOKEN" >> /seen
            COPY ask /bin/ask
            RUN --mount=type=ssh ask >> /seen
            COPY --from=other file /other
            """);
        File.WriteAllText(_buildx["token"], "s3cret\n");
        Directory.CreateDirectory(_buildx["other"]);
        File.WriteAllText(_buildx["other/file"], "from another context");
        // buildx speaks the agents' protocol itself: this one has no keys, and says so.
        using var agent = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var path = Path.Combine(Path.GetTempPath(), $"agent-{Guid.NewGuid():N}"[..18]);
        agent.Bind(new UnixDomainSocketEndPoint(path));
        agent.Listen();
        var asked = new TaskCompletionSource();
        var answering = Task.Run(async () =>
        {
            while (true)
            {
                using var connection = await agent.AcceptAsync();
                var buffer = new byte[64];
                while (await connection.ReceiveAsync(buffer) > 0)
                {
                    asked.TrySetResult();
                    await connection.SendAsync("\0\0\0\x05\x0c\0\0\0\0"u8.ToArray());
                }
            }
        }, TestContext.Current.CancellationToken);
        (await Command.Run("gcc", ["-static", "-o", Path.Combine(_buildx.Context, "ask"), "-x", "c", "-"], Encoding.ASCII.GetBytes("""
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/socket.h>
            #include <sys/un.h>
            #include <unistd.h>
            int main(void) {
              struct sockaddr_un to = { .sun_family = AF_UNIX };
              unsigned char answer[9];
              strncpy(to.sun_path, getenv("SSH_AUTH_SOCK"), sizeof to.sun_path - 1);
              int s = socket(AF_UNIX, SOCK_STREAM, 0), n = 0, r;
              if (connect(s, (void *)&to, sizeof to) || write(s, "\0\0\0\1\13", 5) != 5) { perror("agent"); return 1; }
              while (n < 9 && (r = read(s, answer + n, 9 - n)) > 0) n += r;
              printf("agent said %d in %d bytes\n", answer[4], n);
              return 0;
            }
            """))).Succeeded();
        await _buildx.Build("-t", "bx-secrets", "--secret", $"id=token,src={_buildx["token"]}", "--ssh", $"default={path}", "--build-context", $"other={_buildx["other"]}");
        File.Delete(path);
        var seen = (await _buildx.Docker("run", "--rm", "bx-secrets", "cat", "/seen", "/other")).Succeeded().Output;
        Assert.Contains("s3cret\nenv s3cret", seen, StringComparison.Ordinal);
        Assert.Contains("from another context", seen, StringComparison.Ordinal);
        Assert.NotEqual(0, (await _buildx.Docker("run", "--rm", "bx-secrets", "ls", "/run/secrets/token")).ExitCode);
        Assert.Contains("agent said 12 in 9 bytes", seen, StringComparison.Ordinal);
        Assert.True(asked.Task.IsCompletedSuccessfully);
        agent.Dispose();
        await Task.WhenAny(answering);
    }

    [Fact]
    public async Task A_missing_Dockerfile_and_a_failed_command_are_told_with_their_place()
    {
        var missing = await _buildx.Docker("buildx", "build", ".");
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains("failed to read dockerfile: open Dockerfile: no such file or directory", missing.Error, StringComparison.Ordinal);
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo before && exit 7\n");
        var failed = await _buildx.Docker("buildx", "build", "--progress", "plain", ".");
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("exit code: 7", failed.Error, StringComparison.Ordinal);
        Assert.Contains("Dockerfile:2", failed.Error, StringComparison.Ordinal);
        Assert.Contains(">>> RUN echo before", failed.Error, StringComparison.Ordinal);
        _buildx.Write("Dockerfile", "FROM busybox\nCOPPY a b\n");
        var wrong = await _buildx.Docker("buildx", "build", ".");
        Assert.Contains("Dockerfile:2", wrong.Error, StringComparison.Ordinal);
        Assert.Contains("COPPY", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Results_go_to_directories_and_archives_of_the_client()
    {
        _buildx.Write("Dockerfile", "FROM scratch\nCOPY tree /tree\n");
        _buildx.Write("tree/one", "1");
        _buildx.Write("tree/two/three", "3");
        await _buildx.Build("--output", $"type=local,dest={_buildx["out"]}");
        Assert.Equal("3", File.ReadAllText(_buildx["out/tree/two/three"]));
        await _buildx.Build("--output", $"type=tar,dest={_buildx["out.tar"]}");
        Assert.Contains("tree/two/three", (await Command.Run("tar", ["-tf", _buildx["out.tar"]])).Succeeded().Output, StringComparison.Ordinal);
        await _buildx.Build("-t", "bx-archive:1", "--output", $"type=docker,dest={_buildx["docker.tar"]}");
        Assert.Contains("manifest.json", (await Command.Run("tar", ["-tf", _buildx["docker.tar"]])).Succeeded().Output, StringComparison.Ordinal);
        Assert.Equal("", (await _buildx.Docker("images", "-q", "bx-archive")).Succeeded().Text);
        Assert.Contains("bx-archive:1", (await _buildx.Docker("load", "-i", _buildx["docker.tar"])).Succeeded().Output, StringComparison.Ordinal);
        await _buildx.Build("--output", $"type=oci,dest={_buildx["oci.tar"]}");
        Assert.Contains("oci-layout", (await Command.Run("tar", ["-tf", _buildx["oci.tar"]])).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_platforms_make_one_index_or_a_directory_each()
    {
        _buildx.Write("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY for-$TARGETARCH /arch\n");
        _buildx.Write("for-amd64", "a");
        _buildx.Write("for-arm64", "b");
        await _buildx.Build("--platform", "linux/amd64,linux/arm64", "-t", "bx-multi", "--metadata-file", _buildx["meta.json"]);
        using var metadata = JsonDocument.Parse(await File.ReadAllTextAsync(_buildx["meta.json"], TestContext.Current.CancellationToken));
        Assert.Contains("index", metadata.RootElement.GetProperty("containerimage.descriptor").GetProperty("mediaType").GetString()!, StringComparison.Ordinal);
        await _buildx.Build("--platform", "linux/amd64,linux/arm64", "--output", $"type=local,dest={_buildx["out"]}");
        Assert.Equal("a", File.ReadAllText(_buildx["out/linux_amd64/arch"]));
        Assert.Equal("b", File.ReadAllText(_buildx["out/linux_arm64/arch"]));
    }

    [Fact]
    public async Task One_platform_is_an_index_where_it_is_asked_for()
    {
        _buildx.Write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
        await _buildx.Build("--build-arg", "BUILDKIT_MULTI_PLATFORM=1", "-t", "bx-index", "--metadata-file", _buildx["meta.json"]);
        using var metadata = JsonDocument.Parse(await File.ReadAllTextAsync(_buildx["meta.json"], TestContext.Current.CancellationToken));
        Assert.Contains("index", metadata.RootElement.GetProperty("containerimage.descriptor").GetProperty("mediaType").GetString()!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_that_is_a_repository_keeps_its_git_directory_where_it_is_asked_for()
    {
        var folder = Directory.CreateDirectory(_buildx["repositories/one.git"]).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "Dockerfile"), "FROM busybox\nCOPY . /src\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, ".dockerignore"), "*\n", TestContext.Current.CancellationToken);
        foreach (var arguments in new[] { "init --quiet --initial-branch=main .", "add .", "-c user.name=t -c user.email=t@e commit --quiet -m one" })
        {
            (await Command.Run("git", ["-C", folder, .. arguments.Split(' ')])).Succeeded();
        }

        await using var server = await GitDaemon.Serve(_buildx["repositories"]);
        foreach (var (argument, files) in new[] { ("0", ".dockerignore Dockerfile"), ("1", ".dockerignore .git Dockerfile") })
        {
            (await _buildx.Docker("buildx", "build", "-t", "bx-git", "--build-arg", $"BUILDKIT_CONTEXT_KEEP_GIT_DIR={argument}", $"{server.Address}/one.git#main")).Succeeded();

            // An ignore file is for directories of the client's.
            Assert.Equal(files, string.Join(' ', (await _buildx.Docker("run", "--rm", "bx-git", "ls", "-A", "/src")).Succeeded().Lines.Order(StringComparer.Ordinal)));
        }
    }

    [Fact]
    public async Task Questions_about_a_Dockerfile_are_answered()
    {
        _buildx.Write("Dockerfile", "# VERSION is what to build\nARG VERSION=1\nFROM busybox as one\nFROM one AS two\nARG NAME\nRUN --mount=type=secret,id=key true\n");
        var check = await _buildx.Docker("buildx", "build", "--check", ".");
        Assert.Equal(1, check.ExitCode);
        Assert.Contains("FromAsCasing", check.Output + check.Error, StringComparison.Ordinal);
        Assert.Contains("two (default)", (await _buildx.Docker("buildx", "build", "--call", "targets", ".")).Succeeded().Output, StringComparison.Ordinal);
        var outline = (await _buildx.Docker("buildx", "build", "--call", "outline", ".")).Succeeded().Output;
        Assert.Contains("VERSION", outline, StringComparison.Ordinal);
        Assert.Contains("key", outline, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Context_and_Dockerfile_come_from_standard_input()
    {
        _buildx.Write("x/Dockerfile", "FROM busybox\nCOPY f /f\n");
        _buildx.Write("x/f", "from tar");
        var tar = await Command.RunForBytes("tar", ["-C", Path.Combine(_buildx.Context, "x"), "-cz", "."]);
        (await _buildx.DockerWithInput(tar, "buildx", "build", "-t", "bx-stdin", "-")).Succeeded();
        Assert.Equal("from tar", (await _buildx.Docker("run", "--rm", "bx-stdin", "cat", "/f")).Succeeded().Text);
        (await _buildx.DockerWithInput("FROM busybox\nRUN echo inline > /f\n"u8.ToArray(), "buildx", "build", "-t", "bx-stdin2", "-")).Succeeded();
        Assert.Equal("inline", (await _buildx.Docker("run", "--rm", "bx-stdin2", "cat", "/f")).Succeeded().Text);
    }

    [Fact]
    public async Task Bake_links_one_targets_result_into_another()
    {
        _buildx.Write("base.Dockerfile", "FROM busybox\nENV MARK=base\nRUN echo linked > /linked\n");
        _buildx.Write("app.Dockerfile", "FROM base\nRUN echo \"$MARK $(cat /linked)\" > /app\n");
        _buildx.Write("docker-bake.json", """
            {"group": {"default": {"targets": ["app"]}}, "target": {
              "base": {"dockerfile": "base.Dockerfile"},
              "app": {"dockerfile": "app.Dockerfile", "contexts": {"base": "target:base"}, "tags": ["bx-bake"]}}}
            """);
        (await _buildx.Docker("buildx", "bake", "--progress", "plain")).Succeeded();
        Assert.Equal("base linked", (await _buildx.Docker("run", "--rm", "bx-bake", "cat", "/app")).Succeeded().Text);
    }

    [Fact]
    public async Task Compose_builds_what_it_starts()
    {
        _buildx.Write("web/Dockerfile", "FROM busybox\nARG SAY\nRUN echo \"$SAY\" > /say\nCMD [\"cat\", \"/say\"]\n");
        _buildx.Write("compose.yaml", "name: bxcompose\nservices:\n  web:\n    build:\n      context: web\n      args:\n        SAY: composed\n    network_mode: none\n");
        (await _buildx.Docker("compose", "build")).Succeeded();
        var up = (await _buildx.Docker("compose", "up", "--build", "--abort-on-container-exit")).Succeeded();
        Assert.Contains("composed", up.Output, StringComparison.Ordinal);
        (await _buildx.Docker("compose", "down")).Succeeded();
    }

    [Fact]
    public async Task The_builder_tells_what_it_is_what_it_keeps_and_what_it_did()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo history > /h\n");
        await _buildx.Build("-t", "bx-history");
        var inspect = (await _buildx.Docker("buildx", "inspect")).Succeeded().Output;
        Assert.Contains("running", inspect, StringComparison.Ordinal);
        Assert.Contains("linux/", inspect, StringComparison.Ordinal);
        Assert.Contains("RUN echo history", (await _buildx.Docker("buildx", "du", "--verbose")).Succeeded().Output, StringComparison.Ordinal);
        var history = (await _buildx.Docker("buildx", "history", "ls", "--format", "json")).Succeeded();
        var reference = JsonDocument.Parse(history.Lines[0]).RootElement.GetProperty("ref").GetString()!;
        Assert.Contains("echo history", (await _buildx.Docker("buildx", "history", "logs", reference.Split('/')[^1])).Succeeded() is { } logs ? logs.Output + logs.Error : "", StringComparison.Ordinal);

        // What was built is known whatever became of the daemon.
        await fixture.Engine.Crash();
        await fixture.Engine.StartDaemon();
        Assert.Contains("echo history", (await _buildx.Docker("buildx", "history", "logs", reference.Split('/')[^1])).Succeeded() is { } again ? again.Output + again.Error : "", StringComparison.Ordinal);
        var inspected = (await _buildx.Docker("buildx", "history", "inspect", reference.Split('/')[^1])).Succeeded().Output;
        Assert.Contains("docker.io/library/busybox", inspected, StringComparison.Ordinal);
        Assert.Contains("https://slsa.dev/provenance", inspected, StringComparison.Ordinal);
        (await _buildx.Docker("buildx", "history", "rm", reference.Split('/')[^1])).Succeeded();
        Assert.DoesNotContain(reference, (await _buildx.Docker("buildx", "history", "ls", "--format", "json")).Succeeded().Output, StringComparison.Ordinal);
        (await _buildx.Docker("buildx", "prune", "-af")).Succeeded();
        Assert.DoesNotContain("RUN echo history", (await _buildx.Docker("buildx", "du", "--verbose")).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Progress_is_available_as_json()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo printed\n");
        var raw = (await _buildx.Docker("buildx", "build", "--no-cache", "--progress", "rawjson", ".")).Succeeded().Error;
        var text = new StringBuilder();
        foreach (var line in raw.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var status = JsonDocument.Parse(line);
            if (status.RootElement.TryGetProperty("logs", out var logs))
            {
                foreach (var log in logs.EnumerateArray())
                {
                    text.Append(Encoding.UTF8.GetString(log.GetProperty("data").GetBytesFromBase64()));
                }
            }
        }

        Assert.Equal("printed\n", text.ToString());
    }

    [Fact]
    public async Task A_cache_travels_through_a_registry()
    {
        await using var registry = await Registry.Start();
        var reference = $"{registry.Address}/cache:1";
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo costly > /c\n");
        await _buildx.Build("--cache-to", $"type=registry,ref={reference},mode=max");
        (await _buildx.Docker("buildx", "prune", "-af")).Succeeded();
        var again = await _buildx.Build("--cache-from", $"type=registry,ref={reference}", "-t", "bx-imported");
        Assert.Contains("CACHED", again.Error, StringComparison.Ordinal);
        await _buildx.Build("-t", $"{registry.Address}/pushed:1", "--push");
        (await _buildx.Docker("pull", $"{registry.Address}/pushed:1")).Succeeded();

        // What is to become part of an index is pushed without a name of its own.
        (await _buildx.Docker("buildx", "create", "--name", "pushing", "--driver", "remote", $"unix://{fixture.Engine.Socket}")).Succeeded();
        await _buildx.Build("--builder", "pushing", "--output", $"type=image,name={registry.Address}/part,push-by-digest=true,name-canonical=true,push=true", "--metadata-file", _buildx["meta.json"]);
        using var metadata = JsonDocument.Parse(await File.ReadAllTextAsync(_buildx["meta.json"], TestContext.Current.CancellationToken));
        var digest = metadata.RootElement.GetProperty("containerimage.digest").GetString();
        (await _buildx.Docker("buildx", "imagetools", "create", "-t", $"{registry.Address}/whole:1", $"{registry.Address}/part@{digest}")).Succeeded();
        Assert.DoesNotContain($"{registry.Address}/part", (await _buildx.Docker("images", "--format", "{{.Repository}}")).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cache_and_an_image_travel_as_directories_of_the_client()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo travelled > /c\n");
        await _buildx.Build("--cache-to", $"type=local,dest={_buildx["cache"]},mode=max");
        Assert.True(File.Exists(_buildx["cache/index.json"]));
        (await _buildx.Docker("buildx", "prune", "-af")).Succeeded();
        var again = await _buildx.Build("--cache-from", $"type=local,src={_buildx["cache"]}", "--output", $"type=oci,tar=false,dest={_buildx["layout"]}");
        Assert.Equal(["RUN echo travelled > /c"], CachedSteps(again));
        Assert.True(File.Exists(_buildx["layout/index.json"]));
        Assert.NotEmpty(Directory.EnumerateFiles(_buildx["layout/blobs/sha256"]));
        _buildx.Write("Dockerfile", "FROM base\nRUN test \"$(cat /c)\" = travelled\n");
        await _buildx.Build("--build-context", $"base=oci-layout://{_buildx["layout"]}");
    }

    [Fact]
    public async Task Statements_go_with_what_is_pushed_and_with_what_stays_here()
    {
        await using var registry = await Registry.Start();
        var name = $"{registry.Address}/stated:1";
        _buildx.Write("Dockerfile", "FROM busybox\nARG WHO\nCOPY status /var/lib/dpkg/status\n");
        _buildx.Write("status", "Package: thing\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: amd64\n\n");
        await _buildx.Build("--sbom=true", "--provenance=mode=max", "--build-arg", "WHO=me", "-t", name, "--output", "type=image,push=true");
        var pushed = (await _buildx.Docker("buildx", "imagetools", "inspect", name, "--format", "{{json .Provenance.SLSA.invocation.parameters.args}} {{json .SBOM.SPDX}}")).Succeeded().Output;
        Assert.Contains("\"build-arg:WHO\": \"me\"", pushed, StringComparison.Ordinal);
        Assert.Contains("pkg:deb/thing@1.2-3", pushed, StringComparison.Ordinal);
        var index = (await _buildx.Docker("buildx", "imagetools", "inspect", "--raw", name)).Succeeded().Output;
        Assert.Contains("attestation-manifest", index, StringComparison.Ordinal);
        var here = JsonDocument.Parse((await _buildx.Docker("image", "inspect", "--format", "{{json .Descriptor}}", name)).Succeeded().Output).RootElement;
        Assert.Contains("index", here.GetProperty("mediaType").GetString()!, StringComparison.Ordinal);
        Assert.Equal("", (await _buildx.Docker("run", "--rm", name, "true")).Succeeded().Text);
    }

    [Fact]
    public async Task One_build_goes_to_several_places()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo once > /f\n");
        await _buildx.Build(
            "-t", "bx-several", "--output", "type=image", "--output", $"type=oci,dest={_buildx["oci.tar"]}", "--output", $"type=tar,dest={_buildx["plain.tar"]}", "--output", $"type=local,dest={_buildx["out"]}");
        Assert.Equal("once", (await _buildx.Docker("run", "--rm", "bx-several", "cat", "/f")).Succeeded().Text);
        Assert.Equal("once\n", File.ReadAllText(_buildx["out/f"]));
        Assert.Contains("index.json", (await Command.Run("tar", ["-tf", _buildx["oci.tar"]])).Succeeded().Output, StringComparison.Ordinal);
        Assert.Contains("bin/busybox", (await Command.Run("tar", ["-tf", _buildx["plain.tar"]])).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_sources_give_the_same_bits_whenever_they_are_built()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN mkdir /d && echo made > /d/file && ln -s file /d/link\nCOPY f /f\n");
        _buildx.Write("f", "f");
        var made = new List<byte[]>();
        foreach (var name in new[] { "one", "two" })
        {
            (await _buildx.Docker("buildx", "prune", "-af")).Succeeded();
            File.SetLastWriteTimeUtc(Path.Combine(_buildx.Context, "f"), DateTime.UtcNow.AddMinutes(made.Count));
            await _buildx.Build(
                "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--sbom=true", "--provenance=true", "--output", $"type=oci,rewrite-timestamp=true,dest={_buildx[name]}");
            made.Add(System.Security.Cryptography.SHA256.HashData(await File.ReadAllBytesAsync(_buildx[name], TestContext.Current.CancellationToken)));
        }

        Assert.Equal(made[0], made[1]);
    }

    [Fact]
    public async Task The_API_socket_itself_speaks_HTTP2()
    {
        (await _buildx.Docker("buildx", "create", "--name", "direct", "--driver", "remote", $"unix://{fixture.Engine.Socket}")).Succeeded();
        _buildx.Write("Dockerfile", "FROM scratch\nCOPY f /f\n");
        _buildx.Write("f", "direct");
        await _buildx.Build("--builder", "direct", "--output", $"type=local,dest={_buildx["out"]}");
        Assert.Equal("direct", File.ReadAllText(_buildx["out/f"]));
    }

    [Fact]
    public async Task Interrupting_a_build_leaves_nothing_of_it()
    {
        _buildx.Write("Dockerfile", "FROM busybox\nRUN echo started && sleep 4711\n");
        await using (var build = _buildx.Start("buildx", "build", "--progress", "plain", "."))
        {
            await Eventually.Holds(() => build.Said.Contains("started", StringComparison.Ordinal), "the command runs");
            await build.Terminate();
        }

        await Eventually.Holds(() => !IsRunning("sleep\0" + "4711"), "the command has ended");
        await Eventually.Holds(async () => (await _buildx.Docker("buildx", "build", "--call", "targets", ".")).ExitCode == 0, "the builder goes on");
    }

    /// <summary>The steps that were found in the cache, without their numbers, in the file's order. The base image counts as none.</summary>
    private static IEnumerable<string> CachedSteps(ProcessResult build)
    {
        var lines = build.Error.Split('\n');
        return lines.Where(l => l.EndsWith(" CACHED", StringComparison.Ordinal))
            .Select(l => l.Split(' ')[0])
            .Select(id => lines.First(l => l.StartsWith(id + " [", StringComparison.Ordinal)))
            .Where(l => !l.Contains("] FROM ", StringComparison.Ordinal))
            .OrderBy(l => l[l.IndexOf('[', StringComparison.Ordinal)..], StringComparer.Ordinal)
            .Select(l => l[(l.IndexOf("] ", StringComparison.Ordinal) + 2)..]);
    }

    private static bool IsRunning(string commandLine) => Directory.EnumerateDirectories("/proc").Any(d =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(d, "cmdline")).StartsWith(commandLine, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    });
}
