using System.Xml.Linq;

namespace Cais.Architecture.Tests;

/// <summary>Imports go strictly downward: a project knows only those that stand before it in this list.</summary>
public sealed class ProjectReferenceTests
{
    /// <summary>Bottom to top; docs/architecture.md explains the order.</summary>
    private static readonly string[] Order =
    [
        "Cais.Linux",
        "Cais.Oci",
        "Cais.Templates",
        "Cais.Api",
        "Cais.Storage",
        "Cais.Plugins",
        "Cais.Runtime",
        "Cais.Ttrpc",
        "Cais.Shim",
        "Cais.Images",
        "Cais.Networking",
        "Cais.Build",
        "Cais.Engine",
        "Cais.BuildKit",
        "Cais.Client",
        "Cais.Daemon",
        "Cais.Cli",
        "Cais.RuntimeCli",
        "Cais.Init",
    ];

    /// <summary>References that the order would allow and the design forbids.</summary>
    private static readonly (string From, string To, string Why)[] Forbidden =
    [
        ("Cais.Engine", "Cais.Shim", "the engine speaks to shims over ttrpc, as to any other engine's"),
        ("Cais.Engine", "Cais.Runtime", "runtimes are behind the shim"),
        ("Cais.Cli", "Cais.Engine", "the client speaks to the daemon over the Engine API"),
        ("Cais.Cli", "Cais.Daemon", "the client speaks to the daemon over the Engine API"),
        ("Cais.Client", "Cais.Engine", "the client library stands alone"),
        ("Cais.Ttrpc", "Cais.Runtime", "a protocol knows no containers"),
    ];

    public static TheoryData<string> Projects()
    {
        var data = new TheoryData<string>();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(RepositoryTree.Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            data.Add(Path.GetFileNameWithoutExtension(file));
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_projects_below_it(string project)
    {
        var level = Array.IndexOf(Order, project);
        Assert.True(level >= 0, $"{project} is not in the list of projects: say where it stands.");
        foreach (var reference in References(project))
        {
            var below = Array.IndexOf(Order, reference);
            Assert.True(below >= 0 && below < level, $"{project} must not reference {reference}: it does not stand below it.");
            foreach (var (_, _, why) in Forbidden.Where(f => f.From == project && f.To == reference))
            {
                Assert.Fail($"{project} must not reference {reference}: {why}.");
            }
        }
    }

    [Fact]
    public void The_kernel_layer_knows_no_container_ideas() => Assert.Empty(References("Cais.Linux"));

    private static IEnumerable<string> References(string project) =>
        XDocument.Load(Path.Combine(RepositoryTree.Root, "src", project, project + ".csproj"))
            .Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')));
}
