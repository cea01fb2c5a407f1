using Cais.Cli.CommandLine;
using Cais.Cli.Commands;

namespace Cais.Cli.Tests;

/// <summary>Every command that is here has docker's synopsis, argument rule, names and flags, as Data/cli-commands.tsv lists them.</summary>
public sealed class CommandTableTests
{
    private sealed record Row(string Kind, string Command, string Flag, string Short, string Type, string Default, string Usage, string Arguments, string ApiVersion, string Hidden);

    private static readonly List<Row> Table = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "cli-commands.tsv")).Skip(1)
        .Select(static line => line.Split('\t')).Select(static c => new Row(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[9], c[13]))];

    public static TheoryData<string> Commands()
    {
        var data = new TheoryData<string>();
        foreach (var (path, command) in Walk("docker", RootCommand.Define()))
        {
            if (!command.Hidden && path != "docker" && Table.Any(r => r.Kind == "command" && r.Command == path))
            {
                data.Add(path);
            }
        }

        return data;
    }

    /// <summary>Named in docs/differences.md.</summary>
    private static readonly string[] Ours = ["docker builder du", "docker system check"];

    [Fact]
    public void No_command_is_here_that_docker_does_not_have() =>
        Assert.Empty(Walk("docker", RootCommand.Define()).Where(static c => !c.Command.Hidden && !Ours.Contains(c.Path) && !Table.Any(r => r.Kind == "command" && r.Command == c.Path)).Select(static c => c.Path));

    [Theory]
    [MemberData(nameof(Commands))]
    public void Synopsis_and_argument_rule_are_dockers(string path)
    {
        var command = Find(path);
        var row = Table.Single(r => r.Kind == "command" && r.Command == path);
        var parent = path[..(path.LastIndexOf(' ') + 1)];
        Assert.Equal(row.Usage, (parent + command.Use).Replace("\n\tcais cp", " docker cp", StringComparison.Ordinal));
        Assert.Equal(row.Arguments, command.Arguments.Name);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Flags_are_dockers(string path)
    {
        var command = Find(path);
        var expected = Table.Where(r => r.Kind == "flag" && r.Command == path && r.Flag != "--help")
            .Select(static r => $"{r.Flag} {r.Short} {r.Type} default={(r.Default is "[]" ? "" : r.Default)} hidden={r.Hidden} api={r.ApiVersion}").Order(StringComparer.Ordinal);
        var actual = command.Flags.Where(static f => f.Name != "help")
            .Select(static f => $"--{f.Name} {(f.Shorthand is { } s ? "-" + s : "")} {f.Type} default={Default(f)} hidden={(f.Hidden ? "yes" : "")} api={f.ApiVersion}").Order(StringComparer.Ordinal);
        if (path.EndsWith("build", StringComparison.Ordinal))
        {
            // It has buildx's flags too.
            Assert.Empty(expected.Except(actual));
            return;
        }

        Assert.Equal(string.Join('\n', expected), string.Join('\n', actual));
    }

    /// <summary>The table has the zero values of lists and of what is hidden as nothing.</summary>
    private static string Default(Flag flag) => flag.DefaultText is "[]" || (flag is { Type: "decimal", DefaultText: "0" }) || (flag.Name == "kernel-memory") ? "" : flag.DefaultText;

    private static Command Find(string path) => Walk("docker", RootCommand.Define()).Single(c => c.Path == path).Command;

    private static IEnumerable<(string Path, Command Command)> Walk(string path, Command command)
    {
        yield return (path, command);
        foreach (var child in command.Children.Select(static make => make()))
        {
            foreach (var below in Walk($"{path} {child.Name}", child))
            {
                yield return below;
            }
        }
    }
}
