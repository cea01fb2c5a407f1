namespace Cais.EndToEnd.Tests;

[Trait("Tier", "e2e")]
public sealed class TerminalTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task An_interactive_shell_echoes_runs_and_ends_with_its_code(string client)
    {
        await using var terminal = await Terminal.Open(_engine.CommandLine(client, "run -it --rm busybox sh"));
        await terminal.Shows("/ #");
        await terminal.Type("echo 6 times 7 is $((6*7)); tty; stty size");
        await terminal.Press("Enter");
        await terminal.Shows("6 times 7 is 42");
        await terminal.Shows("/dev/pts/0");
        await terminal.Shows("24 80");
        await terminal.Type("exit 3");
        await terminal.Press("Enter");
        await terminal.Shows("ended: 3");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Resizing_the_window_resizes_the_containers_terminal(string client)
    {
        await using var terminal = await Terminal.Open(_engine.CommandLine(client, "run -it --rm busybox sh"));
        await terminal.Shows("/ #");
        await terminal.Resize(101, 31);
        await terminal.Type("while [ \"$(stty size)\" != '31 101' ]; do usleep 10000; done; echo size $(stty size)");
        await terminal.Press("Enter");
        await terminal.Shows("size 31 101");
        await terminal.Type("exit");
        await terminal.Press("Enter");
        await terminal.Shows("ended: 0");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Control_C_reaches_the_foreground_program_only(string client)
    {
        await using var terminal = await Terminal.Open(_engine.CommandLine(client, "run -it --rm busybox sh"));
        await terminal.Shows("/ #");
        // Only what the command itself prints tells that it runs; pressed earlier, the keys would go to the shell's line editor.
        await terminal.Type("echo be''gun; sleep 1000; echo interrupted $?");
        await terminal.Press("Enter");
        await terminal.Shows("begun");
        await terminal.Press("C-c");
        await terminal.Type("echo still here");
        await terminal.Press("Enter");
        await terminal.Shows("still here");
        await terminal.Press("C-d");
        await terminal.Shows("ended:");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Detach_keys_leave_the_container_running_and_attach_returns_to_it(string client)
    {
        var name = $"detach-{client}";
        await using (var first = await Terminal.Open(_engine.CommandLine(client, $"run -it --name {name} busybox sh")))
        {
            await first.Shows("/ #");
            await first.Type("word=kept");
            await first.Press("Enter");
            await first.Press("C-p", "C-q");
            await first.Shows("ended: 0");
        }

        Assert.Equal("running", (await _engine.Client(client, ["inspect", "-f", "{{.State.Status}}", name])).Succeeded().Text);
        await using var second = await Terminal.Open(_engine.CommandLine(client, $"attach {name}"));
        await second.Type("echo $word");
        await second.Press("Enter");
        await second.Shows("kept");
        await second.Type("exit 2");
        await second.Press("Enter");
        await second.Shows("ended: 2");
        (await _engine.Client(client, ["rm", name])).Succeeded();
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Exec_opens_a_second_terminal_in_a_running_container(string client)
    {
        var id = (await _engine.Client(client, ["run", "-d", "busybox", "sleep", "300"])).Succeeded().Text;
        await using (var terminal = await Terminal.Open(_engine.CommandLine(client, $"exec -it {id} sh")))
        {
            await terminal.Shows("/ #");
            await terminal.Type("ps | grep 'sleep 300' | head -1; hostname");
            await terminal.Press("Enter");
            await terminal.Shows("sleep 300");
            await terminal.Shows(id[..12]);
            await terminal.Type("exit 4");
            await terminal.Press("Enter");
            await terminal.Shows("ended: 4");
        }

        (await _engine.Client(client, ["rm", "-f", id])).Succeeded();
    }
}
