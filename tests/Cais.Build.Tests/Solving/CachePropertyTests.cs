using System.Globalization;
using System.Text;
using Cais.Build.Cache;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Build.Tests.Planning;
using Cais.Linux;
using Cais.Storage;

namespace Cais.Build.Tests.Solving;

/// <summary>
/// The cache is never wrong and never idle: whatever is changed in files and contexts, a build with a cache that has seen all that was before gives what a build
/// without any gives; and the same build again does nothing.
/// </summary>
[Trait("Tier", "integration")]
public sealed class CachePropertyTests : IDisposable
{
    private static readonly string[] Names = ["a", "b", "sub/c", "sub/d", "other/e"];

    private readonly string _root = Directory.CreateTempSubdirectory("cais-build-test-").FullName;
    private readonly string _context;
    private readonly Dictionary<string, string> _arguments = new() { ["ONE"] = "1", ["TWO"] = "2" };

    public CachePropertyTests() => _context = Directory.CreateDirectory(Path.Combine(_root, "context")).FullName;

    public void Dispose() => Cais.Linux.FileSystem.Trees.Remove(_root);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_cached_build_is_what_a_fresh_one_is(int seed)
    {
        var random = new Random(seed);
        using var database = Database.Open(Path.Combine(_root, "db"));
        var cache = BuildCache.Open(Path.Combine(_root, "cache"), database);
        foreach (var name in Names)
        {
            Write(name, "0");
        }

        var file = NewDockerfile(random);
        for (var round = 0; round < 20; round++)
        {
            if (random.Next(4) == 0)
            {
                file = NewDockerfile(random);
            }

            Change(random);
            var (cached, _) = await Build(cache, file);
            using var fresh = Database.Open(Path.Combine(_root, $"db-{round}"));
            var (expected, _) = await Build(BuildCache.Open(Path.Combine(_root, $"fresh-{round}"), fresh), file);
            Assert.True(expected.SequenceEqual(cached), $"round {round}:\n{file}\nfresh:\n{string.Join('\n', expected)}\ncached:\n{string.Join('\n', cached)}");
            Assert.Empty((await Build(cache, file)).Done);
            if (random.Next(5) == 0)
            {
                cache.Prune(keep: 1 + random.Next(100_000));
            }
        }
    }

    private static string NewDockerfile(Random random)
    {
        var text = new StringBuilder("ARG ONE\n");
        var stages = random.Next(1, 4);
        for (var stage = 0; stage < stages; stage++)
        {
            text.Append(stage > 0 && random.Next(3) == 0 ? $"FROM s{random.Next(stage)} AS s{stage}\n" : $"FROM scratch AS s{stage}\n").Append("ARG ONE\nARG TWO\n");
            for (var line = random.Next(2, 6); line > 0; line--)
            {
                text.Append(random.Next(9) switch
                {
                    0 => "COPY . /all/\n",
                    1 => "COPY sub /sub/\n",
                    2 => "COPY sub/? other/* /wild/\n",
                    3 => "COPY --chmod=640 a /modes/\n",
                    4 => "COPY --link a b /linked/\n",
                    5 => $"RUN write:/run{random.Next(3)}:$ONE\n",
                    6 => $"RUN --mount=type=bind,source=sub,target=/mnt write:/mounted{random.Next(2)}:{random.Next(2)}\n",
                    7 => $"WORKDIR /work{random.Next(2)}\n",
                    _ => stage > 0 ? $"COPY --from=s{random.Next(stage)} / /from{random.Next(2)}/\n" : "ADD a sub/c /added/\n",
                });
            }

            // Nothing to copy is an error.
            text.Append("COPY a /last\n");
        }

        return text.ToString();
    }

    private void Change(Random random)
    {
        var name = Names[random.Next(Names.Length)];
        var path = Path.Combine(_context, name);
        switch (random.Next(8))
        {
            case 0:
                Write(name, random.Next(3).ToString(CultureInfo.InvariantCulture));
                break;
            case 1 when File.Exists(path):
                File.SetUnixFileMode(path, (UnixFileMode)(random.Next(2) == 0 ? 0x1A4 : 0x1ED));
                break;
            case 2:
                File.Delete(path);
                File.CreateSymbolicLink(path, random.Next(2) == 0 ? "/nowhere" : "/elsewhere");
                Write("a", "0");
                break;
            case 3:
                var fresh = Path.Combine(_context, "sub", "new" + random.Next(2));
                if (!File.Exists(fresh))
                {
                    File.WriteAllText(fresh, "new");
                }
                else
                {
                    File.Delete(fresh);
                }

                break;
            case 4 when File.Exists(path):
                Xattr.Set(path, "user.note", [(byte)('0' + random.Next(3))]);
                break;
            case 5:
                // A directory's count too, and so does that one is gone.
                var directory = Path.Combine(_context, "sub");
                if (!Xattr.Remove(directory, "user.note"))
                {
                    Xattr.Set(directory, "user.note", "d"u8);
                }

                break;
            case 6:
                _arguments["ONE"] = random.Next(3).ToString(CultureInfo.InvariantCulture);
                break;
            default:
                // The same again is no change.
                File.SetLastWriteTimeUtc(Path.Combine(_context, "a"), DateTime.UnixEpoch.AddSeconds(random.Next(1000)));
                break;
        }

        foreach (var needed in Names.Where(n => new FileInfo(Path.Combine(_context, n)).LinkTarget is not null && random.Next(2) == 0))
        {
            Write(needed, "back");
        }
    }

    private void Write(string name, string content)
    {
        var path = Path.Combine(_context, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (new FileInfo(path).LinkTarget is not null)
        {
            File.Delete(path);
        }

        File.WriteAllText(path, content);
    }

    /// <summary>What comes out, file by file with kind, mode, attributes and content; and the steps that were done. A build that fails says why instead.</summary>
    private async Task<(IReadOnlyList<string> Files, IReadOnlyCollection<string> Done)> Build(BuildCache cache, string dockerfile)
    {
        var plan = await BuildPlanner.PlanAsync(
            Dockerfile.Parse(new DockerfileSource("Dockerfile", dockerfile)), new BuildOptions { Arguments = _arguments }, new FakeImages(), TestContext.Current.CancellationToken);
        var inputs = new FolderInputs(_context);
        var progress = new DoneSteps();
        using var http = new HttpClient();
        using var solver = new Solver(cache, inputs, new StepRunner(cache, inputs, new WritingExecutor(), http), progress);
        try
        {
            return (ResultTree.Describe(await solver.SolveAsync(plan.Result, TestContext.Current.CancellationToken)), progress.Done);
        }
        catch (StepFailedException e)
        {
            return ([e.Message], []);
        }
    }

    /// <summary>Writes what the command says, with the argument's value and what is mounted.</summary>
    private sealed class WritingExecutor : IRunExecutor
    {
        public async Task<int> RunAsync(RunRequest request, IRunOutput output, CancellationToken cancellation)
        {
            var words = request.Arguments[^1].Split(':', 3);
            var text = words[2].Replace("$ONE", request.Environment.FirstOrDefault(e => e.StartsWith("ONE=", StringComparison.Ordinal)), StringComparison.Ordinal);
            foreach (var mount in request.Mounts.OfType<LayersMount>())
            {
                foreach (var file in Directory.EnumerateFiles(mount.LowerDirectories[0] + mount.Path).Order(StringComparer.Ordinal))
                {
                    text += $"\n{Path.GetFileName(file)} {(new FileInfo(file).LinkTarget ?? await File.ReadAllTextAsync(file, cancellation))}";
                }
            }

            await File.WriteAllTextAsync(request.UpperDirectory + words[1], text, cancellation);
            return 0;
        }
    }
}
