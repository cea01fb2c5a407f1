using System.Text;
using Cais.Linux.Io;
using Cais.Testing;
using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Shim.Tests;

[Trait("Tier", "integration")]
public sealed class StreamTests
{
    public static TheoryData<string> Runtimes => ["cais", "runc", "crun"];

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task Input_reaches_the_process_and_ends_when_both_daemon_and_shim_close_it(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "cat");
        var outputs = await shim.RunAsync(input: true);
        using (var input = shim.OpenInput())
        {
            await input.WriteAsync("first line\n"u8.ToArray());
            await Eventually.Holds(() => ShimHarness.Text(shim.Output) == "first line\n", "the first line comes back");
        }

        // The daemon's end is closed, as when it dies: the process must not notice.
        using (var again = shim.OpenInput())
        {
            await again.WriteAsync("second line\n"u8.ToArray());
            await Eventually.Holds(() => ShimHarness.Text(shim.Output) == "first line\nsecond line\n", "the second line comes back");
            await shim.Client.CloseIOAsync(new CloseIORequest { Id = shim.Id, Stdin = true });
            Assert.False(shim.WaitAsync().IsCompleted);
        }

        Assert.Equal(0u, (await shim.WaitAsync()).ExitStatus);
        await outputs;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task For_containerd_the_input_ends_with_its_client_or_when_told(bool told)
    {
        await using var shim = await ShimHarness.StartAsync("runc", action: "");
        shim.Configure(terminal: false, "cat");
        var outputs = await shim.RunAsync(input: true);
        var running = shim.WaitAsync();
        using var input = shim.OpenInput();
        var expected = string.Concat(Enumerable.Range(0, 30_000).Select(i => $"line {i}\n"));
        await input.WriteAsync(Encoding.UTF8.GetBytes(expected)).AsTask().WaitAsync(ShimHarness.Deadline);
        Assert.False(running.IsCompleted);
        if (told)
        {
            await shim.Client.CloseIOAsync(new CloseIORequest { Id = shim.Id, Stdin = true });
        }
        else
        {
            input.Complete();
        }

        Assert.Equal(0u, (await running).ExitStatus);
        await outputs;
        Assert.Equal(expected, ShimHarness.Text(shim.Output));
    }

    [Fact]
    public async Task Input_closed_before_the_start_is_closed_after_it()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.ExecAsync("cat", terminal: false, input: true, "cat");
        await shim.Client.CloseIOAsync(new CloseIORequest { Id = shim.Id, ExecId = "cat", Stdin = true });
        await shim.StartExecAsync("cat");
        Assert.Equal(0u, (await shim.WaitAsync("cat")).ExitStatus);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_terminal_echoes_is_resized_and_says_everything_before_it_ends(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: true, "sh");
        var output = await shim.RunAsync(terminal: true, input: true);
        await shim.Client.ResizePtyAsync(new ResizePtyRequest { Id = shim.Id, Width = 101, Height = 33 });
        var input = shim.OpenInput();
        await input.WriteAsync("tty; stty size; seq 1 2000; exit 4\n"u8.ToArray());
        Assert.Equal(4u, (await shim.WaitAsync()).ExitStatus);
        await output;
        var text = ShimHarness.Text(shim.Output);
        Assert.Contains("/dev/pts/0", text, StringComparison.Ordinal);
        Assert.Contains("33 101", text, StringComparison.Ordinal);
        Assert.Contains("\r\n2000\r\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task An_exec_gets_a_terminal_of_its_own(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.ExecAsync("shell", terminal: true, input: true, "sh");
        var output = new StringBuilder();
        var end = shim.Read("shell-stdout", output);
        await shim.StartExecAsync("shell");
        var input = shim.OpenInput("shell-stdin");
        await input.WriteAsync("test -t 0 && echo is a terminal; exit 6\n"u8.ToArray());
        Assert.Equal(6u, (await shim.WaitAsync("shell")).ExitStatus);
        await end.WaitAsync(ShimHarness.Deadline);
        Assert.Contains("\nis a terminal", ShimHarness.Text(output), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_may_close_its_terminal_and_open_it_again()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: true, "sh", "-c", "t=$(tty); exec <&- >&- 2>&-; sleep 0.3; exec <$t >$t 2>&1; echo back again");
        var output = await shim.RunAsync(terminal: true);
        await shim.WaitAsync();
        await output;
        Assert.Contains("back again", ShimHarness.Text(shim.Output), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reader_that_reads_nothing_stops_its_own_process_only(bool terminal)
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal, "sh", "-c", "yes slow | head -c 1000000; echo; echo done");
        // Open, so that there is a reader, but not reading.
        using var reader = Fifo.OpenRead(shim.FifoPath("stdout"));
        using var errors = Fifo.OpenRead(shim.FifoPath("stderr"));
        await shim.Client.CreateAsync(shim.CreateRequest(terminal));
        await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        var exit = shim.WaitAsync();
        for (var i = 0; i < 3; i++)
        {
            await shim.ExecAsync($"other-{i}", terminal: true, input: false, "echo", "quick");
            var said = new StringBuilder();
            var end = shim.Read($"other-{i}-stdout", said);
            await shim.StartExecAsync($"other-{i}");
            Assert.Equal(0u, (await shim.WaitAsync($"other-{i}")).ExitStatus);
            await end.WaitAsync(ShimHarness.Deadline);
            Assert.Equal("quick\r\n", said.ToString());
        }

        Assert.False(exit.IsCompleted);
        var all = shim.Read("stdout", shim.Output);
        Assert.Equal(0u, (await exit).ExitStatus);
        reader.Dispose();
        await all.WaitAsync(ShimHarness.Deadline);
        Assert.EndsWith(terminal ? "done\r\n" : "done\n", ShimHarness.Text(shim.Output), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task The_exit_is_reported_while_others_still_hold_the_streams(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.ExecAsync("parent", terminal: false, input: false, "sh", "-c", "sleep 1000 & echo left it; exit 2");
        var output = new StringBuilder();
        var end = shim.Read("parent-stdout", output);
        await shim.StartExecAsync("parent");
        Assert.Equal(2u, (await shim.WaitAsync("parent")).ExitStatus);
        await Eventually.Holds(() => ShimHarness.Text(output) == "left it\n", "what it said is read");
        Assert.False(end.IsCompleted);
        await shim.DeleteAsync("parent");
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task What_was_said_while_no_daemon_read_is_there_for_the_next(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sh", "-c", "echo said to nobody; exit 9");
        await shim.Client.CreateAsync(shim.CreateRequest());
        await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        Assert.Equal(9u, (await shim.WaitAsync()).ExitStatus);
        var text = new StringBuilder();
        var end = new TaskCompletionSource();
        using var reader = DescriptorReader.Start(
            shim.Loop,
            Fifo.OpenRead(shim.FifoPath("stdout")),
            data =>
            {
                text.Append(Encoding.UTF8.GetString(data));
                return true;
            },
            _ => end.TrySetResult(),
            writerMayComeLater: false);
        await end.Task.WaitAsync(ShimHarness.Deadline);
        Assert.Equal("said to nobody\n", text.ToString());
    }

    [Fact]
    public async Task Output_goes_to_a_file_where_one_is_named()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: false, "sh", "-c", "echo to a file; echo also >&2");
        var log = Path.Combine(shim.Root, "all.log");
        var request = shim.CreateRequest();
        request.Stdout = request.Stderr = "file://" + log;
        await shim.Client.CreateAsync(request);
        await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        await shim.WaitAsync();
        Assert.Equal("to a file\nalso\n", await File.ReadAllTextAsync(log));
    }

    [Fact]
    public async Task Output_goes_to_a_logging_program_where_one_is_named()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: false, "sh", "-c", "echo for the logger");
        var program = Path.Combine(shim.Root, "logger");
        var log = Path.Combine(shim.Root, "logged");
        await File.WriteAllTextAsync(program, $"#!/bin/sh\nexec 5>&-\n(echo $CONTAINER_NAMESPACE $CONTAINER_ID $*; cat <&3) >{log}.new; mv {log}.new {log}\n");
        File.SetUnixFileMode(program, UnixFileMode.UserExecute | UnixFileMode.UserRead);
        var request = shim.CreateRequest();
        request.Stdout = request.Stderr = $"binary://{program}?tag=a%20b&-v";
        await shim.Client.CreateAsync(request);
        await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        await shim.WaitAsync();
        await Eventually.Holds(() => File.Exists(log), "the logger has ended");
        Assert.Equal($"tests {shim.Id} tag a b -v\nfor the logger\n", await File.ReadAllTextAsync(log));
    }

    [Fact]
    public async Task A_stream_that_is_not_there_is_an_error_and_leaves_nothing()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: false, "true");
        var request = shim.CreateRequest();
        request.Stdout = "/nowhere/stdout";
        var failure = await Assert.ThrowsAsync<TtrpcException>(() => shim.Client.CreateAsync(request));
        Assert.Contains("/nowhere/stdout", failure.Message, StringComparison.Ordinal);
        Assert.Empty(shim.Mounts());
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_user_other_than_root_may_open_its_output_again(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(
            spec => spec["process"]!["user"] = new System.Text.Json.Nodes.JsonObject { ["uid"] = 1000, ["gid"] = 1000 },
            terminal: false, "sh", "-c", "id -u; echo again >/proc/self/fd/1");
        var outputs = await shim.RunAsync();
        Assert.Equal(0u, (await shim.WaitAsync()).ExitStatus);
        await outputs;
        Assert.Equal("1000\nagain\n", shim.Output.ToString());
    }
}
