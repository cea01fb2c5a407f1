using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>cp, diff, export and commit as users do them.</summary>
[Trait("Tier", "e2e")]
public sealed class ContainerFilesTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_tree_survives_the_way_in_and_out(string client)
    {
        using var scratch = new Scratch("cp");
        (await Command.Run("sh", ["-ec", $"""
            mkdir -p {scratch["in"]}/sub
            head -c 300000 /dev/urandom >{scratch["in"]}/sub/random
            echo text >{scratch["in"]}/file
            ln {scratch["in"]}/file {scratch["in"]}/hard
            ln -s sub/random {scratch["in"]}/soft
            chmod 4750 {scratch["in"]}/file
            chown 1234:4321 {scratch["in"]}/sub/random
            touch -d 2001-02-03T04:05:06 {scratch["in"]}/sub
            """])).Succeeded();
        foreach (var running in new[] { true, false })
        {
            var id = (await Do(client, running ? ["run", "-d", "busybox", "sleep", "300"] : ["create", "busybox"])).Text;
            await Do(client, "cp", "-a", scratch["in"], $"{id}:/copy");
            await Do(client, "cp", "-a", $"{id}:/copy", scratch["out"]);
            (await Command.Run("diff", ["-r", "--no-dereference", scratch["in"], scratch["out"]])).Succeeded();
            // Docker's client sends whole seconds, and gives everything that comes out to whoever runs it.
            var owner = client == "docker" ? "" : "%U %G ";
            var list = $"find . -printf '%p %y %m {owner}%T@ %l\\n' | sed 's/\\.[0-9][0-9]* / /' | sort";
            if (running)
            {
                Assert.Equal("1234 4321", (await Do(client, "exec", id, "stat", "-c", "%u %g", "/copy/sub/random")).Text);
            }

            Assert.Equal(
                (await Command.Run("sh", ["-c", $"cd {scratch["in"]} && {list}"])).Succeeded().Output,
                (await Command.Run("sh", ["-c", $"cd {scratch["out"]} && {list}"])).Succeeded().Output);
            Directory.Delete(scratch["out"], recursive: true);
            await Do(client, "rm", "-f", id);
        }
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Diff_and_commit_show_what_was_done_and_no_more(string client)
    {
        var id = (await Do(client, "run", "-d", "-v", "/mounted", "busybox", "sh", "-c", "echo new >/etc/new; rm /bin/vi; echo x >/mounted/x; exec sleep 300")).Text;
        await Eventually.Holds(async () => (await _engine.Client(client, ["exec", id, "test", "-e", "/mounted/x"])).ExitCode == 0, "the container has done its work");
        Assert.Equal(["C /bin", "D /bin/vi", "C /etc", "A /etc/new", "A /mounted"], (await Do(client, "diff", id)).Lines);
        var image = (await Do(client, "commit", "-m", "why", "-a", "who", "-c", "ENV WORD=quay", "-c", "CMD [\"sh\", \"-c\", \"cat /etc/new; echo $WORD\"]", id, "made:1")).Text;
        Assert.Equal(image, (await Do(client, "inspect", "-f", "{{.Id}}", "made:1")).Text);
        Assert.Equal("new\nquay", (await Do(client, "run", "--rm", "made:1")).Text);
        Assert.Equal("running", (await Do(client, "inspect", "-f", "{{.State.Status}}", id)).Text);
        Assert.Contains("why", (await Do(client, "history", "made:1")).Text, StringComparison.Ordinal);
        await Do(client, "rm", "-f", "-v", id);
        await Do(client, "rmi", "made:1");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task An_export_imports_again(string client)
    {
        using var scratch = new Scratch("export");
        var id = (await Do(client, "run", "-d", "busybox", "sh", "-c", "echo kept >/kept; exec sleep 300")).Text;
        await Eventually.Holds(async () => (await _engine.Client(client, ["exec", id, "test", "-s", "/kept"])).ExitCode == 0, "the file is there");
        await Do(client, "export", "-o", scratch["root.tar"], id);
        await Do(client, "import", scratch["root.tar"], "again:1");
        Assert.Equal("kept", (await Do(client, "run", "--rm", "again:1", "cat", "/kept")).Text);
        await Do(client, "rm", "-f", id);
        await Do(client, "rmi", "again:1");
    }

    private async Task<ProcessResult> Do(string client, params string[] arguments) => (await _engine.Client(client, arguments)).Succeeded();
}
