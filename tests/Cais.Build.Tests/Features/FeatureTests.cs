using System.Text;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Build.Sources;
using Cais.Build.Tests.Planning;
using Cais.Oci.Images;

namespace Cais.Build.Tests.Features;

/// <summary>
/// Every feature of the Dockerfile language, from a list of them all, works or is refused with a reason; docs/dockerfile.md says which, and is written by
/// this test: run it with CAIS_WRITE_DOCS=1 after a change.
/// </summary>
public sealed class FeatureTests
{
    private static readonly List<(string Area, string Name, string Semantics)> Rows = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "dockerfile-features.tsv")).Skip(1)
        .Select(l => l.Split('\t')).Select(c => (c[0], c[1], c[7]))];

    private static readonly FeatureCases Cases = new();

    public static TheoryData<string, string> All()
    {
        var data = new TheoryData<string, string>();
        foreach (var (area, name, _) in Rows)
        {
            data.Add(area, name);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Works_or_is_refused(string area, string name)
    {
        Assert.True(Cases.All.TryGetValue((area, name), out var found), $"{area}: {name} is not in FeatureCases");
        var (proof, subject, expected) = found!;
        switch (proof)
        {
            case Proof.HeldBy:
                Assert.Contains(subject + "(", TestSources.Value, StringComparison.Ordinal);
                break;
            case Proof.Ignored or Proof.Refused:
                Assert.NotEmpty(subject);
                break;
            case Proof.Git:
                Assert.True(GitAddress.TryParse(subject, out _));
                break;
            case Proof.Fails:
                Assert.Contains(expected, (await Assert.ThrowsAsync<DockerfileException>(() => Plan(subject))).Message, StringComparison.OrdinalIgnoreCase);
                break;
            default:
                Assert.Contains(expected, Look(proof, await Plan(subject, proof == Proof.EnvForArm ? new BuildOptions { Platform = Platform.Parse("linux/arm64") } : null)), StringComparison.Ordinal);
                break;
        }
    }

    [Fact]
    public void The_list_has_all_258_and_no_case_is_for_nothing()
    {
        Assert.Equal(258, Rows.Count);
        Assert.Empty(Cases.All.Keys.Except(Rows.Select(r => (r.Area, r.Name))));
    }

    [Fact]
    public void The_documentation_says_what_the_tests_hold()
    {
        var path = Path.Combine(Root.Value, "docs", "dockerfile.md");
        var text = Document();
        if (Environment.GetEnvironmentVariable("CAIS_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, text);
        }

        Assert.Equal(text, File.ReadAllText(path));
    }

    private static string Look(Proof proof, BuildPlan plan)
    {
        var last = plan.Result;
        return proof switch
        {
            Proof.From => string.Join(' ', plan.Steps().OfType<ImageStep>().Select(i => i.Reference)),
            Proof.NoSteps => Assert.IsType<ScratchStep>(last).Name,
            Proof.Env or Proof.EnvForArm => string.Join('\n', plan.Config.Config!.Env!) + "\n",
            Proof.Run => string.Join(' ', Assert.IsType<RunStep>(last).Arguments),
            Proof.Config => Encoding.UTF8.GetString(plan.Config.ToJson()).Replace("\":\"", "=", StringComparison.Ordinal),
            Proof.Copy => Assert.IsType<CopyStep>(last) is var c ? $"{c.Destination} {c.Owner} {c.Mode} {string.Join(' ', c.Exclude)} {c.Unpack}" : "",
            Proof.Network => Assert.IsType<RunStep>(last).Network.ToString(),
            Proof.Step => string.Join(' ', plan.Steps().Select(s => s.GetType().Name)),
            Proof.Mount => Describe(Assert.Single(Assert.IsType<RunStep>(last).Mounts)),
            _ => throw new ArgumentOutOfRangeException(nameof(proof)),
        };
    }

    private static string Describe(StepMount m) =>
        $"{m.Mount.Kind} {m.Target} src={m.Mount.Source} id={(m.Mount.Kind == MountKind.Cache ? m.CacheId : m.Mount.Id)} {(m.From is null ? "" : "from")} {(m.Mount.IsReadOnly ? "ro" : "rw")} {m.Mount.Sharing} mode={m.Mount.Mode} uid={m.Mount.Uid} gid={m.Mount.Gid} size={m.Mount.Size} env={m.Mount.Variable} {(m.Mount.Required ? "required" : "")}";

    private static Task<BuildPlan> Plan(string text, BuildOptions? options = null)
    {
        // Wrong syntax is found before planning begins.
        async Task<BuildPlan> Begin() => await BuildPlanner.PlanAsync(
            Dockerfile.Parse(new DockerfileSource("Dockerfile", text)), options ?? new BuildOptions(), new FakeImages(), TestContext.Current.CancellationToken);
        return Begin();
    }

    private static string Document()
    {
        var text = new StringBuilder("""
            # The Dockerfile language

            Every feature of the newest stable Dockerfile frontend, and what becomes of it here. This page is written by the tests that hold it
            (tests/Cais.Build.Tests/Features).

            """.ReplaceLineEndings("\n"));
        foreach (var area in Rows.GroupBy(r => r.Area))
        {
            text.Append($"\n## {area.Key}\n\n| feature | meaning | here |\n|---|---|---|\n");
            foreach (var (_, name, semantics) in area)
            {
                var (proof, subject, _) = Cases.All[(area.Key, name)];
                var state = proof switch
                {
                    Proof.Refused => $"no: {subject}",
                    Proof.Ignored => $"accepted, without effect: {subject}",
                    Proof.HeldBy => $"works ({subject})",
                    Proof.Fails when name == "--device" => "refused with a reason",
                    _ => "works",
                };
                text.Append($"| `{name.Replace("|", "\\|", StringComparison.Ordinal)}` | {semantics.Replace("|", "\\|", StringComparison.Ordinal)} | {state} |\n");
            }
        }

        return text.ToString();
    }

    private static readonly Lazy<string> Root = new(() =>
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "README.md")))
        {
            directory = directory.Parent;
        }

        return directory.FullName;
    });

    private static readonly Lazy<string> TestSources = new(() => string.Concat(Directory
        .EnumerateFiles(Path.Combine(Root.Value, "tests"), "*Tests.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText)));
}
