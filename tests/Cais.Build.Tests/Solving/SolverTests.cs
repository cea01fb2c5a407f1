using System.Text;
using Cais.Build.Cache;
using Cais.Build.Language;
using Cais.Build.Patterns;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Build.Tests.Planning;
using Cais.Linux;
using Cais.Storage;
using Cais.Testing;

namespace Cais.Build.Tests.Solving;

[Trait("Tier", "integration")]
public sealed class SolverTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cais-build-test-").FullName;
    private readonly string _context;
    private readonly FakeExecutor _executor = new();
    private Database _database;
    private BuildCache _cache;

    public SolverTests()
    {
        _context = Directory.CreateDirectory(Path.Combine(_root, "context")).FullName;
        _database = Database.Open(Path.Combine(_root, "db"));
        _cache = BuildCache.Open(Path.Combine(_root, "build"), _database);
    }

    public void Dispose()
    {
        _database.Dispose();
        Cais.Linux.FileSystem.Trees.Remove(_root);
    }

    private void Write(string path, string content)
    {
        var full = Path.Combine(_context, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    private async Task<(StepResult Result, DoneSteps Progress)> Build(string dockerfile, BuildOptions? options = null, string ignore = "", HttpClient? http = null, Dictionary<string, string>? secrets = null)
    {
        var plan = await BuildPlanner.PlanAsync(
            Dockerfile.Parse(new DockerfileSource("Dockerfile", dockerfile)), options ?? new BuildOptions(), new FakeImages(), TestContext.Current.CancellationToken);
        var inputs = new FolderInputs(_context, IgnoreFile.Parse(ignore)) { Secrets = secrets ?? [] };
        var progress = new DoneSteps();
        using var own = new HttpClient();
        using var solver = new Solver(_cache, inputs, new StepRunner(_cache, inputs, _executor, http ?? own), progress);
        return (await solver.SolveAsync(plan.Result, TestContext.Current.CancellationToken), progress);
    }

    private static SortedDictionary<string, string> Files(StepResult result) => ResultTree.Contents(result);

    [Fact]
    public async Task Copies_files_directories_and_heredocs()
    {
        Write("a.txt", "a");
        Write("dir/b.txt", "b");
        Write("dir/deep/c.txt", "c");
        Write("skip/me", "x");
        var (result, _) = await Build(
            "FROM scratch\nWORKDIR /app\nCOPY a.txt renamed\nCOPY dir .\nCOPY d?r/*.txt /glob/\nCOPY --parents dir/./deep/c.txt /p/\nCOPY . /all/\nCOPY <<one <<two /here/\n1\none\n2\ntwo\n", null, "skip\n");
        var files = Files(result);
        Assert.Equal("a", files["/app/renamed"]);
        Assert.Equal("b", files["/app/b.txt"]);
        Assert.Equal("c", files["/app/deep/c.txt"]);
        Assert.Equal("b", files["/glob/b.txt"]);
        Assert.Equal("c", files["/p/deep/c.txt"]);
        Assert.Equal("c", files["/all/dir/deep/c.txt"]);
        Assert.Equal("1\n", files["/here/one"]);
        Assert.Equal("2\n", files["/here/two"]);
        Assert.DoesNotContain(files.Keys, k => k.Contains("skip", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_unchanged_input_rebuilds_nothing_and_a_changed_one_what_depends_on_it()
    {
        Write("a", "1");
        Write("b", "1");
        const string text = "FROM scratch\nCOPY a /a\nRUN write:/r:$x\nCOPY b /b\n";
        var (first, built) = await Build(text);
        Assert.Equal(3, built.Done.Count);
        var (second, cached) = await Build(text);
        Assert.Empty(cached.Done);
        Assert.Equal(first.Id, second.Id);

        // A touch is no change; permissions are.
        File.SetLastWriteTimeUtc(Path.Combine(_context, "a"), DateTime.UnixEpoch);
        Assert.Empty((await Build(text)).Progress.Done);
        Write("b", "2");
        var (third, partly) = await Build(text);
        Assert.Single(partly.Done);
        Assert.Equal("2", Files(third)["/b"]);
        File.SetUnixFileMode(Path.Combine(_context, "a"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Equal(3, (await Build(text)).Progress.Done.Count);
    }

    [Fact]
    public async Task The_cache_survives_a_restart_and_a_layer_without_row_does_not()
    {
        Write("a", "1");
        const string text = "FROM scratch\nCOPY a /a\n";
        await Build(text);
        var stray = Directory.CreateDirectory(Path.Combine(_root, "build", "layers", "stray", "fs")).FullName;
        _database.Dispose();
        _database = Database.Open(Path.Combine(_root, "db"));
        _cache = BuildCache.Open(Path.Combine(_root, "build"), _database);
        Assert.False(Directory.Exists(stray));
        Assert.Empty((await Build(text)).Progress.Done);
    }

    [Fact]
    public async Task A_changed_stage_with_the_same_output_rebuilds_nothing_after_it()
    {
        const string text = "FROM scratch AS a\nARG V\nRUN write:/out:same\nFROM scratch\nCOPY --from=a /out /out\nRUN write:/after:x\n";
        await Build(text, new BuildOptions { Arguments = new Dictionary<string, string> { ["V"] = "1" } });
        var (_, progress) = await Build(text, new BuildOptions { Arguments = new Dictionary<string, string> { ["V"] = "2" } });
        Assert.Equal(["[a 2/2] RUN write:/out:same"], progress.Done);
    }

    [Fact]
    public async Task Without_cache_everything_is_done_again()
    {
        const string text = "FROM scratch\nRUN write:/a:1\nRUN write:/b:1\n";
        await Build(text);
        Assert.Equal(2, (await Build(text, new BuildOptions { NoCache = true })).Progress.Done.Count);
        Assert.Empty((await Build(text)).Progress.Done);
    }

    [Fact]
    public async Task Independent_stages_run_at_the_same_time()
    {
        var (result, _) = await Build("FROM scratch AS a\nRUN meet:2\nFROM scratch AS b\nRUN meet:2:b\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n");
        Assert.NotNull(result);
    }

    [Fact]
    public async Task A_failed_command_names_its_step_and_stops_the_others()
    {
        var error = await Assert.ThrowsAsync<StepFailedException>(() => Build("FROM scratch AS a\nRUN fail:7\nFROM scratch AS b\nRUN hang\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n"));
        Assert.Equal(7, error.ExitCode);
        Assert.Contains("did not complete successfully: exit code: 7", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, error.Step.Range.Start.Line);
        Assert.Equal(0, _executor.Running);
        Assert.Empty(_cache.Usage());
    }

    [Fact]
    public async Task A_linked_copy_is_made_once_whatever_is_below_it()
    {
        Write("f", "1");
        var (first, _) = await Build("FROM scratch\nRUN write:/base:1\nCOPY --link f /d/f\n");
        var (second, progress) = await Build("FROM scratch\nRUN write:/base:2\nCOPY --link f /d/f\n");
        Assert.Equal(["[2/3] RUN write:/base:2"], progress.Done);
        Assert.Equal(first.Layers[^1], second.Layers[^1]);
        Assert.Equal("2", Files(second)["/base"]);
        Assert.Equal("1", Files(second)["/d/f"]);
    }

    [Fact]
    public async Task An_archive_is_unpacked_unless_it_is_told_not_to_be()
    {
        await using (var file = File.Create(Path.Combine(_context, "a.tar")))
        {
            await using var tar = new System.Formats.Tar.TarWriter(file);
            await tar.WriteEntryAsync(
                new System.Formats.Tar.PaxTarEntry(System.Formats.Tar.TarEntryType.RegularFile, "in/side") { DataStream = new MemoryStream([(byte)'x']) }, TestContext.Current.CancellationToken);
        }

        var files = Files((await Build("FROM scratch\nADD a.tar /a/\nADD --unpack=false a.tar /b/\nCOPY a.tar /c/\n")).Result);
        Assert.Equal("x", files["/a/in/side"]);
        Assert.Contains("/b/a.tar", files.Keys);
        Assert.Contains("/c/a.tar", files.Keys);
    }

    [Fact]
    public async Task A_fetched_file_that_has_changed_is_used()
    {
        using var listener = new System.Net.HttpListener();
        var port = 20000 + (Environment.ProcessId % 20000);
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var content = "1";
        var serving = Task.Run(
            async () =>
            {
                for (var i = 0; i < 3; i++)
                {
                    var request = await listener.GetContextAsync();
                    request.Response.StatusCode = request.Request.Headers["Authorization"] is null ? 200 : 401;
                    request.Response.Close(Encoding.UTF8.GetBytes(content), willBlock: true);
                }
            },
            TestContext.Current.CancellationToken);
        var text = $"FROM scratch\nADD http://127.0.0.1:{port}/f /f\nRUN write:/after:x\n";
        Assert.Equal("1", Files((await Build(text)).Result)["/f"]);
        Assert.Empty((await Build(text)).Progress.Done);
        content = "2";
        Assert.Equal("2", Files((await Build(text)).Result)["/f"]);
        await serving;
    }

    [Theory]
    [InlineData("ETag", "\"one\"", "If-None-Match")]
    [InlineData("ETag", "W/\"weak\"", "If-None-Match")]
    [InlineData("Last-Modified", "Tue, 01 Sep 2026 10:00:00 GMT", "If-Modified-Since")]
    public async Task A_file_that_the_server_says_is_unchanged_is_not_fetched_again(string header, string value, string condition)
    {
        var asked = new List<string?>();
        using var server = new HttpClient(new FakeServer(request =>
        {
            asked.Add(request.Headers.TryGetValues(condition, out var given) ? given.Single() : null);
            var response = new HttpResponseMessage(asked[^1] == value ? System.Net.HttpStatusCode.NotModified : System.Net.HttpStatusCode.OK) { Content = new StringContent("content") };
            response.Headers.TryAddWithoutValidation(header, value);
            response.Content.Headers.TryAddWithoutValidation(header, value);
            return response;
        }));
        const string text = "FROM scratch\nADD http://example.test/f /f\n";
        Assert.Equal("content", Files((await Build(text, http: server)).Result)["/f"]);
        var again = await Build(text, http: server);
        Assert.Equal("content", Files(again.Result)["/f"]);
        Assert.Empty(again.Progress.Done);

        // What is not here any more must be fetched whatever the server would say.
        _cache.Prune();
        Assert.Equal("content", Files((await Build(text, http: server)).Result)["/f"]);
        Assert.Equal([null, value, null], asked);
    }

    [Fact]
    public async Task Builds_at_the_same_time_do_what_they_have_in_common_once()
    {
        const string text = "FROM scratch\nRUN slow:/f\n";
        var both = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Build(text)));
        Assert.Single(both.SelectMany(b => b.Progress.Done));
        Assert.Single(both.Select(b => b.Result.Id).Distinct());
    }

    [Fact]
    public async Task The_hosts_own_repositories_are_no_source()
    {
        var repository = Directory.CreateDirectory(Path.Combine(_root, "secret.git")).FullName;
        await Git(repository, "init", "--quiet", ".");
        await Assert.ThrowsAsync<StepFailedException>(() => Build($"FROM scratch\nADD file://{repository} /s/\n"));
    }

    [Fact]
    public async Task A_git_repository_is_checked_out()
    {
        var repository = Directory.CreateDirectory(Path.Combine(_root, "repository.git")).FullName;
        await Git(repository, "init", "--quiet", "--initial-branch=main", ".");
        Directory.CreateDirectory(Path.Combine(repository, "sub"));
        await File.WriteAllTextAsync(Path.Combine(repository, "sub", "f"), "1", TestContext.Current.CancellationToken);
        await Git(repository, "add", ".");
        await Git(repository, "-c", "user.name=t", "-c", "user.email=t@e", "commit", "--quiet", "-m", "one");
        await using var server = await GitDaemon.Serve(_root);
        var address = $"{server.Address}/repository.git";
        var text = $"FROM scratch\nADD {address}#main:sub /s/\nADD {address} /all/\n";
        var files = Files((await Build(text)).Result);
        Assert.Equal("1", files["/s/f"]);
        Assert.Equal("1", files["/all/sub/f"]);
        Assert.DoesNotContain(files.Keys, k => k.Contains(".git/", StringComparison.Ordinal));
        await File.WriteAllTextAsync(Path.Combine(repository, "sub", "f"), "2", TestContext.Current.CancellationToken);
        await Git(repository, "-c", "user.name=t", "-c", "user.email=t@e", "commit", "--quiet", "-a", "-m", "two");
        Assert.Equal("2", Files((await Build(text)).Result)["/s/f"]);
    }

    [Fact]
    public async Task A_repository_of_plain_files_is_fetched_whole()
    {
        var (server, _) = await PlainRepository();
        await using (server)
        {
            var address = $"{server.Address}/repository.git";
            Assert.Equal("2", Files((await Build($"FROM scratch\nADD {address} /s/\n")).Result)["/s/f"]);
            Assert.Equal("1", Files((await Build($"FROM scratch\nADD {address}#v1 /s/\n")).Result)["/s/f"]);
        }
    }

    [Fact]
    public async Task A_commit_of_a_server_that_gives_only_branches_is_found()
    {
        var (server, first) = await PlainRepository();
        await using (server)
        {
            Assert.Equal("1", Files((await Build($"FROM scratch\nADD {server.Address}/repository.git#{first} /s/\n")).Result)["/s/f"]);
            Assert.Equal("1", Files((await Build($"FROM scratch\nADD --checksum={first} {server.Address}/repository.git#v1 /s/\n")).Result)["/s/f"]);
            await Assert.ThrowsAsync<StepFailedException>(() => Build($"FROM scratch\nADD --checksum={first} {server.Address}/repository.git#main /s/\n"));
        }
    }

    [Fact]
    public async Task A_repository_that_is_not_everybodys_is_opened_by_a_secret()
    {
        var (server, _) = await PlainRepository("basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("x-access-token:t0ken")));
        await using (server)
        {
            var text = $"FROM scratch\nADD {server.Address}/repository.git /s/\n";
            await Assert.ThrowsAsync<StepFailedException>(() => Build(text));
            await Assert.ThrowsAsync<StepFailedException>(() => Build(text, secrets: new() { ["GIT_AUTH_TOKEN"] = "wrong" }));
            Assert.Equal("2", Files((await Build(text, secrets: new() { ["GIT_AUTH_TOKEN"] = "t0ken" })).Result)["/s/f"]);

            // A secret for the host alone comes first, and a header is sent as it is.
            Assert.Equal("2", Files((await Build(text, secrets: new() { ["GIT_AUTH_TOKEN"] = "wrong", ["GIT_AUTH_TOKEN.127.0.0.1"] = "t0ken" })).Result)["/s/f"]);
            var header = "basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("x-access-token:t0ken"));
            Assert.Equal("2", Files((await Build(text, secrets: new() { ["GIT_AUTH_HEADER"] = header, ["GIT_AUTH_TOKEN"] = "wrong" })).Result)["/s/f"]);
        }
    }

    /// <summary>Two commits, the first one tagged v1, behind a server that does not know Git. Gives the first commit.</summary>
    private async Task<(PlainGitServer Server, string First)> PlainRepository(string? authorization = null)
    {
        var work = Directory.CreateDirectory(Path.Combine(_root, "work")).FullName;
        await Git(work, "init", "--quiet", "--initial-branch=main", ".");
        foreach (var content in new[] { "1", "2" })
        {
            await File.WriteAllTextAsync(Path.Combine(work, "f"), content, TestContext.Current.CancellationToken);
            await Git(work, "add", ".");
            await Git(work, "-c", "user.name=t", "-c", "user.email=t@e", "commit", "--quiet", "-m", content);
            await Git(work, content == "1" ? ["tag", "v1"] : ["branch", "other"]);
        }

        var served = Path.Combine(_root, "served");
        await Git(work, "clone", "--quiet", "--bare", ".", Path.Combine(served, "repository.git"));
        await Git(Path.Combine(served, "repository.git"), "update-server-info");
        return (PlainGitServer.Serve(served, authorization), (await Command.Run("git", ["-C", work, "rev-parse", "v1"])).Succeeded().Text);
    }

    private static async Task Git(string directory, params string[] arguments)
    {
        using var git = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("git", arguments) { WorkingDirectory = directory })!;
        await git.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, git.ExitCode);
    }

    [Fact]
    public async Task A_missing_source_is_named()
    {
        var error = await Assert.ThrowsAsync<StepFailedException>(() => Build("FROM scratch\nCOPY nothing /\n"));
        Assert.Contains("\"/nothing\": not found", error.Message, StringComparison.Ordinal);
        Write("hidden", "x");
        error = await Assert.ThrowsAsync<StepFailedException>(() => Build("FROM scratch\nCOPY hidden /\n", null, "hidden"));
        Assert.Contains("\"/hidden\": not found", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_in_context_and_destination_stay_within_their_trees()
    {
        File.CreateSymbolicLink(Path.Combine(_context, "out"), "/etc/hostname");
        await Assert.ThrowsAsync<StepFailedException>(() => Build("FROM scratch\nCOPY out /x\n"));
        Write("f", "1");
        var (result, _) = await Build("FROM scratch\nRUN link:/d:/../../inside\nCOPY f /d/f\n");
        Assert.Equal("1", Files(result)["/inside/f"]);
    }

    [Fact]
    public async Task Owners_and_modes_are_set()
    {
        Write("f", "1");
        var (result, _) = await Build("FROM scratch\nRUN write:/etc/passwd:me:x:7:8::/:/\nCOPY --chown=me --chmod=u=rwX,go= f /f\n");
        var path = result.Paths[^1] + "/f";
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Cais.Linux.FileSystem.FileAt.Status(Cais.Linux.FileSystem.FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(path + "\0"), out var status);
        Assert.Equal((7u, 8u), (status.Uid, status.Gid));
    }

    [Fact]
    public async Task Capabilities_and_attributes_of_users_are_copied_and_count()
    {
        Write("f", "1");
        Write("d/g", "1");
        var (file, directory) = (Path.Combine(_context, "f"), Path.Combine(_context, "d"));
        byte[] capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        const string text = "FROM scratch AS one\nCOPY --chown=7:8 --chmod=755 . /c/\nFROM scratch\nCOPY --from=one /c /again/\n";
        await Build(text);
        Xattr.Set(file, "security.capability", capability);
        Xattr.Set(file, "user.note", "file"u8);
        Xattr.Set(directory, "user.note", "directory"u8);
        var (result, progress) = await Build(text);
        Assert.Equal(2, progress.Done.Count);
        Assert.Equal(capability, Xattr.Get(result.Paths[^1] + "/again/f", "security.capability"));
        Assert.Equal("file"u8, Xattr.Get(result.Paths[^1] + "/again/f", "user.note")!);
        Assert.Equal("directory"u8, Xattr.Get(result.Paths[^1] + "/again/d", "user.note")!);
        Assert.Empty((await Build(text)).Progress.Done);
        foreach (var change in new Action[] { () => Xattr.Set(directory, "user.note", "changed"u8), () => Xattr.Remove(file, "security.capability"), () => Xattr.Remove(file, "user.note") })
        {
            change();
            Assert.Equal(2, (await Build(text)).Progress.Done.Count);
        }
    }

    [Fact]
    public async Task Pruning_removes_what_is_not_in_use_and_it_is_built_again()
    {
        await Build("FROM scratch\nRUN write:/a:1\n");
        Assert.Single(_cache.Prune());
        Assert.Empty(_cache.Usage());
        Assert.Single((await Build("FROM scratch\nRUN write:/a:1\n")).Progress.Done);
    }

    [Fact]
    public async Task Whatever_changes_in_a_context_changes_the_result()
    {
        var random = new Random(1);
        const string text = "FROM scratch\nCOPY . /c/\n";
        for (var round = 0; round < 25; round++)
        {
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                var path = Path.Combine(_context, $"d{random.Next(3)}", $"f{random.Next(4)}");
                if (random.Next(4) == 0)
                {
                    if (Directory.Exists(Path.GetDirectoryName(path)))
                    {
                        File.Delete(path);
                    }
                }
                else
                {
                    Write(Path.GetRelativePath(_context, path), random.Next(3).ToString(System.Globalization.CultureInfo.InvariantCulture));
                }
            }

            var (result, _) = await Build(text);
            var expected = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["/c/"] = "" };
            foreach (var entry in Directory.EnumerateFileSystemEntries(_context, "*", SearchOption.AllDirectories))
            {
                var name = "/c/" + Path.GetRelativePath(_context, entry);
                expected[Directory.Exists(entry) ? name + "/" : name] = Directory.Exists(entry) ? "" : File.ReadAllText(entry);
            }

            Assert.Equal(expected, Files(result));
            Assert.Empty((await Build(text)).Progress.Done);
        }
    }

    private sealed class FakeServer(Func<HttpRequestMessage, HttpResponseMessage> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(answer(request));
    }

    /// <summary>Understands a few words instead of running programs, and writes into the upper directory.</summary>
    private sealed class FakeExecutor : IRunExecutor
    {
        private readonly TaskCompletionSource _met = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _waiting;
        private int _running;

        public int Running => _running;

        public async Task<int> RunAsync(RunRequest request, IRunOutput output, CancellationToken cancellation)
        {
            Interlocked.Increment(ref _running);
            try
            {
                var words = request.Arguments[^1].Split(':', 3);
                var path = words.Length > 1 ? request.UpperDirectory + words[1] : "";
                switch (words[0])
                {
                    case "write":
                        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                        await File.WriteAllTextAsync(path, words[2], cancellation);
                        return 0;
                    case "slow":
                        await Task.Delay(100, cancellation);
                        await File.WriteAllTextAsync(path, "slow", cancellation);
                        return 0;
                    case "link":
                        File.CreateSymbolicLink(path, words[2]);
                        return 0;
                    case "fail":
                        return int.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture);
                    case "meet":
                        if (Interlocked.Increment(ref _waiting) == 2)
                        {
                            _met.SetResult();
                        }

                        await _met.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellation);
                        return 0;
                    default:
                        await Task.Delay(Timeout.Infinite, cancellation);
                        return 0;
                }
            }
            finally
            {
                Interlocked.Decrement(ref _running);
            }
        }
    }
}
